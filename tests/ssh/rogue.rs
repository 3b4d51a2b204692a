//! Servers that mean harm before and after the login: endless questions, endless text, channels that
//! nobody asked for.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fleet::fault::chain;
use fleet::ssh::Input;
use russh::MethodKind;
use russh::server::{Auth, Handler, Response, Session};

use super::probe;
use super::server::{reject, serve};

/// Asks `prompts` questions again and again, each time after `pause`.
#[derive(Clone)]
struct Endless {
    prompts: usize,
    pause: Duration,
    rounds: Arc<AtomicUsize>,
}

impl Endless {
    fn new(prompts: usize, pause: Duration) -> Self {
        Self {
            prompts,
            pause,
            rounds: Arc::default(),
        }
    }
}

impl Handler for Endless {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        Ok(reject(&[MethodKind::KeyboardInteractive], false))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        _: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        self.rounds.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.pause).await;
        Ok(Auth::Partial {
            name: Cow::Borrowed(""),
            instructions: Cow::Owned("please wait ".repeat(1000)),
            prompts: vec![(Cow::Borrowed("more: "), true); self.prompts].into(),
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_without_end_is_left() {
    let said = "web said: please wait";
    for (prompts, rounds, questions) in [(0, 21, 0), (1, 21, 20), (15, 3, 30)] {
        let handler = Endless::new(prompts, Duration::ZERO);
        let count = Arc::clone(&handler.rounds);
        let Some(server) = serve(move || handler.clone()).await else {
            return;
        };
        let (done, asked) = server.connect("", Some(&["tiger"; 100])).await;
        let texts = chain(&done.expect_err("it never ends"));
        assert_eq!(
            texts[0],
            "authentication failed for me on web: keyboard-interactive (the server asks without end)"
        );
        assert!(texts[1].starts_with(said), "{}", texts[1]);
        assert!(texts[1].len() < 5000, "{}", texts[1].len());
        assert_eq!(
            (count.load(Ordering::SeqCst), asked.len()),
            (rounds, questions)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_whose_steps_are_quick_but_many_ends_with_the_limit() {
    let handler = Endless::new(0, Duration::from_millis(100));
    let count = Arc::clone(&handler.rounds);
    let Some(mut server) = serve(move || handler.clone()).await else {
        return;
    };
    server.host.limits.connect_timeout = Duration::from_millis(700);
    let (done, _) = server.connect("", Some(&[])).await;
    assert_eq!(
        chain(&done.expect_err("it takes its time"))[0],
        "authentication failed for me on web: no key or password to try; no answer within 0.7 s"
    );
    assert!(count.load(Ordering::SeqCst) < 21);
}

/// Lets everybody in, and then opens channels of one kind after the other.
#[derive(Clone)]
struct Opens {
    tried: Arc<AtomicUsize>,
    confirmed: Arc<AtomicUsize>,
    over: Arc<tokio::sync::Notify>,
}

impl Handler for Opens {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Self::Error> {
        let handle = session.handle();
        let this = self.clone();
        tokio::spawn(async move {
            for kind in (0..6).cycle().take(1200) {
                let opened = match kind {
                    0 => handle.channel_open_session().await,
                    1 => handle.channel_open_agent().await,
                    2 => handle.channel_open_x11("127.0.0.1", 1).await,
                    3 => {
                        handle
                            .channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1)
                            .await
                    }
                    4 => handle.channel_open_forwarded_streamlocal("/x").await,
                    _ => {
                        handle
                            .channel_open_forwarded_tcpip("127.0.0.1", 22, "127.0.0.1", 1)
                            .await
                    }
                };
                this.tried.fetch_add(1, Ordering::SeqCst);
                match opened {
                    Ok(_) => {
                        this.confirmed.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(russh::Error::ChannelOpenFailure(_)) => {}
                    Err(_) => break,
                }
            }
            this.over.notify_one();
        });
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_that_a_server_opens_are_rejected_and_counted() {
    let handler = Opens {
        tried: Arc::default(),
        confirmed: Arc::default(),
        over: Arc::default(),
    };
    let seen = handler.clone();
    let Some(server) = serve(move || handler.clone()).await else {
        return;
    };
    let (session, _) = server.connect("", None).await;
    let session = session.expect("everybody is let in");
    seen.over.notified().await;
    assert_eq!(seen.confirmed.load(Ordering::SeqCst), 0);
    // The one that is too many is not answered any more.
    assert!(seen.tried.load(Ordering::SeqCst) <= 18);
    let error = session
        .run(&probe(), false, Input::none())
        .await
        .expect_err("the connection was ended");
    assert_eq!(
        chain(&error),
        [
            "lost the connection to web",
            "the host opened channels that fleet did not request"
        ]
    );
}
