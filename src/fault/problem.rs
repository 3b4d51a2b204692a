//! An error with its texts, from where it happens to where it is printed or recorded.
//!
//! Errors stay typed while somebody can still act on them. What crosses to the operator, an event or a
//! record is this one type: the stable code, and the texts of the error.

use super::{Code, ExitClass, Fault, Specific, chain};

/// A rendered error: `error: …`, `caused by: …`, `hint: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The stable name of the cause.
    pub code: Code,
    /// What happened.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// How to fix it.
    pub hint: Option<String>,
    /// The exit status that it asks for.
    pub class: ExitClass,
    /// What of the texts belongs to the host; not recorded.
    pub specifics: Vec<Specific>,
}

impl Problem {
    /// A problem without causes.
    #[must_use]
    pub fn new(
        code: Code,
        class: ExitClass,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            causes: Vec::new(),
            hint,
            class,
            specifics: Vec::new(),
        }
    }

    /// The fault with everything beneath it.
    #[must_use]
    pub fn of(fault: &dyn Fault) -> Self {
        let mut causes = chain(fault);
        let message = causes.remove(0);
        Self {
            code: fault.code(),
            message,
            causes,
            hint: fault.hint(),
            class: fault.exit_class(),
            specifics: fault.specifics(),
        }
    }

    /// A part that failed for that reason. `message` is what the record of the checkpoint keeps: one line
    /// with all causes.
    #[must_use]
    pub fn in_part(code: Code, message: impl Into<String>, hint: Option<String>) -> Self {
        Self::new(code, ExitClass::Partial, message, hint)
    }

    /// A part that failed by `fault`: all of its texts in one line.
    #[must_use]
    pub fn of_part(fault: &dyn Fault) -> Self {
        Self::in_part(fault.code(), chain(fault).join(": "), fault.hint())
    }

    /// What and why in one line, as JSON lists of failures have it.
    #[must_use]
    pub fn line(&self) -> String {
        let mut text = self.message.clone();
        for cause in &self.causes {
            text.push_str(": ");
            text.push_str(cause);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("can't read the file")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("permission denied")]
    struct Inner;

    impl Fault for Outer {
        fn code(&self) -> Code {
            Code::LocalPermissionDenied
        }

        fn hint(&self) -> Option<String> {
            Some("Run `chmod`.".to_owned())
        }
    }

    #[test]
    fn a_problem_has_everything_that_its_fault_says() {
        let problem = Problem::of(&Outer(Inner));
        assert_eq!(
            problem,
            Problem {
                code: Code::LocalPermissionDenied,
                message: "can't read the file".to_owned(),
                causes: vec!["permission denied".to_owned()],
                hint: Some("Run `chmod`.".to_owned()),
                class: ExitClass::Failed,
                specifics: Vec::new(),
            }
        );
        assert_eq!(problem.line(), "can't read the file: permission denied");
    }

    #[test]
    fn a_failed_part_is_told_in_one_line() {
        assert_eq!(
            Problem::of_part(&Outer(Inner)),
            Problem {
                code: Code::LocalPermissionDenied,
                message: "can't read the file: permission denied".to_owned(),
                causes: Vec::new(),
                hint: Some("Run `chmod`.".to_owned()),
                class: ExitClass::Partial,
                specifics: Vec::new(),
            }
        );
    }
}
