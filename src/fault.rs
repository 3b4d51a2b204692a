//! The trait of every error of fleet: code, hint and exit status beside its text.
//!
//! Errors stay typed in the module that raises them; this floor only names what they share, so that
//! the command line can print and exit without knowing any of them. Nothing here prints.

mod code;
mod exit_class;
mod problem;
mod specific;

pub use code::Code;
pub use exit_class::ExitClass;
pub use problem::Problem;
pub use specific::Specific;

/// An error that knows how it is mended.
///
/// `Display` says what happened, `source()` says why, [`hint`](Fault::hint) says how to mend it.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// The stable name of the cause. An error that only wraps another one gives the code of that one.
    fn code(&self) -> Code;

    /// Full sentences that tell the operator what to do, with a command where there is one.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The values in its texts that belong to the host, such as its address, for grouping the errors of many
    /// hosts. The host's name need not be among them.
    fn specifics(&self) -> Vec<Specific> {
        Vec::new()
    }

    /// The exit status when this fault ends the command.
    fn exit_class(&self) -> ExitClass {
        ExitClass::Failed
    }
}

/// The texts of `error` and everything beneath it, outermost first, each once.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut below = error.source();
    while let Some(cause) = below {
        let text = cause.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        below = cause.source();
    }
    texts
}
