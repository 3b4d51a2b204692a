//! Tests of typed answers: passwords, a server's own questions, and two methods in a row.
//!
//! The accounts of this machine are none of a test's business, so the server is russh's, which lets
//! in who knows the word; everything else about it is real.

use std::borrow::Cow;

use russh::MethodKind;
use russh::server::{Auth, Handler, Response, VerifiedPublicKey};

use super::server::{Server, reject, serve};

/// What a server asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Password,
    Questions,
    PasswordOrQuestions,
    KeyThenPassword,
}

struct Typed(Wants);

const EITHER: [MethodKind; 2] = [MethodKind::Password, MethodKind::KeyboardInteractive];

impl Wants {
    /// What may be tried next after `one` was refused.
    fn or(self, one: &[MethodKind]) -> &[MethodKind] {
        if self == Self::PasswordOrQuestions {
            &EITHER
        } else {
            one
        }
    }
}

pub(crate) async fn server(wants: Wants) -> Option<Server> {
    serve(move || Typed(wants)).await
}

impl Handler for Typed {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        Ok(match self.0 {
            Wants::Password => reject(&[MethodKind::Password], false),
            Wants::Questions => reject(&[MethodKind::KeyboardInteractive], false),
            Wants::PasswordOrQuestions => reject(&EITHER, false),
            Wants::KeyThenPassword => reject(&[MethodKind::PublicKey], false),
        })
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(reject(&[MethodKind::Password], true))
    }

    async fn auth_password(&mut self, user: &str, word: &str) -> Result<Auth, Self::Error> {
        Ok(if (user, word) == ("me", "tiger") {
            Auth::Accept
        } else {
            reject(self.0.or(&[MethodKind::Password]), false)
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(mut answers) = response else {
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed("Look at your token.\r\n"),
                prompts: vec![(Cow::Borrowed("one-time code: "), true)].into(),
            });
        };
        Ok(
            if answers.next().is_some_and(|word| &word[..] == b"tiger") {
                Auth::Accept
            } else {
                reject(self.0.or(&[MethodKind::KeyboardInteractive]), false)
            },
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_asked_for_where_somebody_can_be_asked() {
    let Some(server) = server(Wants::Password).await else {
        return;
    };
    let question = "password of me on web".to_owned();
    assert_eq!(
        server.log_in("", None).await,
        (
            Err(
                "authentication failed for me on web: password (there is no terminal to ask in)"
                    .to_owned()
            ),
            Vec::new()
        )
    );
    assert_eq!(
        server.log_in("", Some(&["lion", "tiger"])).await,
        (
            Ok("me".to_owned()),
            vec![
                question.clone(),
                format!("that was wrong, try again: {question}")
            ]
        )
    );
    assert_eq!(
        server.log_in("", Some(&["lion"])).await,
        (
            Err("authentication failed for me on web: password (the server refused it), password (none was given)".to_owned()),
            vec![question.clone(), format!("that was wrong, try again: {question}")]
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_ask_its_own_questions() {
    let Some(server) = server(Wants::Questions).await else {
        return;
    };
    let question = "web asks: Look at your token. one-time code:".to_owned();
    assert_eq!(
        server.log_in("", Some(&["lion", "tiger"])).await,
        (
            Ok("me".to_owned()),
            vec![
                question.clone(),
                format!("that was wrong, try again: {question}")
            ]
        )
    );
    assert_eq!(
        server.log_in("", None).await.0,
        Err("authentication failed for me on web: keyboard-interactive (there is no terminal to ask in)".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_want_a_key_and_a_password() {
    let Some(server) = server(Wants::KeyThenPassword).await else {
        return;
    };
    assert_eq!(
        server.log_in("", Some(&["tiger"])).await,
        (
            Ok("me".to_owned()),
            vec!["password of me on web".to_owned()]
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssh_config_decides_what_is_asked_and_in_which_order() {
    let Some(server) = server(Wants::PasswordOrQuestions).await else {
        return;
    };
    let password = "password of me on web";
    let code = "web asks: Look at your token. one-time code:";
    let again = |question: &str| format!("that was wrong, try again: {question}");
    // The order of ssh: questions before passwords.
    let cases: [(&str, Vec<String>); 6] = [
        (
            "",
            vec![
                code.to_owned(),
                again(code),
                again(code),
                password.to_owned(),
            ],
        ),
        (
            "PreferredAuthentications password,keyboard-interactive",
            vec![
                password.to_owned(),
                again(password),
                again(password),
                code.to_owned(),
            ],
        ),
        (
            "NumberOfPasswordPrompts 1",
            vec![code.to_owned(), password.to_owned()],
        ),
        (
            "KbdInteractiveAuthentication no",
            vec![password.to_owned(), again(password), again(password)],
        ),
        (
            "PasswordAuthentication no\n  NumberOfPasswordPrompts 2",
            vec![code.to_owned(), again(code)],
        ),
        ("BatchMode yes", Vec::new()),
    ];
    for (options, questions) in cases {
        let words = vec!["lion"; 4];
        let (done, asked) = server.log_in(options, Some(&words)).await;
        let error = done.expect_err("lion is not the word");
        let count = questions.len().min(4);
        assert_eq!(asked[..count], questions[..count], "{options}: {error}");
        if options == "BatchMode yes" {
            assert_eq!(
                error,
                "authentication failed for me on web: keyboard-interactive (`BatchMode` of ssh_config forbids to ask), \
                 password (`BatchMode` of ssh_config forbids to ask)"
            );
            assert_eq!(asked, Vec::<String>::new());
        }
        if options == "KbdInteractiveAuthentication no" {
            assert!(
                error.ends_with(", keyboard-interactive (turned off in ssh_config)"),
                "{error}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_not_offered_where_ssh_config_forbids_it() {
    let Some(server) = server(Wants::KeyThenPassword).await else {
        return;
    };
    for (options, why) in [
        (
            "PubkeyAuthentication no",
            "publickey (turned off in ssh_config)".to_owned(),
        ),
        (
            "PubkeyAcceptedAlgorithms rsa-sha2-256",
            format!(
                "key {} (`PubkeyAcceptedAlgorithms` of ssh_config leaves its kind out)",
                server.key().display()
            ),
        ),
    ] {
        assert_eq!(
            server.log_in(options, Some(&["tiger"])).await,
            (
                Err(format!("authentication failed for me on web: {why}")),
                Vec::new()
            )
        );
    }
}
