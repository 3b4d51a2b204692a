//! Errors between a request to a web server and the end of its answer.
//!
//! Nothing here holds a header's value, a query, or a piece of a body.

use std::io::{self, ErrorKind};

use crate::fault::{Code, Fault};

/// Why there is no answer, or none that can be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A header can't be sent.
    #[error("header `{header}` can't be sent: its value holds what no header may hold")]
    Unsendable {
        /// Its name.
        header: String,
    },
    /// The address makes no request.
    #[error("the address makes no request")]
    Unaskable,
    /// This workstation trusts nobody.
    #[error("no certificate authorities are known here")]
    NoAuthorities,
    /// The server is not proven to be the one that is meant.
    #[error("its certificate is not trusted: {why}")]
    Certificate {
        /// What is wrong with it.
        why: String,
    },
    /// There is no TLS with it.
    #[error("no TLS with it: {why}")]
    Tls {
        /// Why.
        why: String,
    },
    /// It closed the connection instead of answering.
    #[error("it closed the connection without an answer")]
    Early,
    /// It closed the connection in the head of the answer.
    #[error("it closed the connection in the head of its answer")]
    EarlyHead,
    /// It speaks something else.
    #[error("what it answers is not HTTP/1")]
    NotHttp,
    /// Its head has no end.
    #[error("the head of its answer is longer than {limit_bytes} bytes")]
    Head {
        /// How much would have been taken.
        limit_bytes: usize,
    },
    /// Another status.
    #[error("it answered {got}{}, not {wanted}", reason.map(|reason| format!(" {reason}")).unwrap_or_default())]
    Status {
        /// What counts as success.
        wanted: u16,
        /// What came.
        got: u16,
        /// What that number means.
        reason: Option<&'static str>,
        /// Where a redirect leads, escaped.
        leads_to: Option<String>,
    },
    /// It compressed its answer.
    #[error("its answer is encoded as `{encoding}`, which nobody asked for")]
    Encoded {
        /// How, escaped.
        encoding: String,
    },
    /// More than is wanted.
    #[error("its answer is longer than {max_bytes} bytes")]
    TooMuch {
        /// How much would have been taken.
        max_bytes: u64,
    },
    /// The end is missing.
    #[error("its answer was cut after {bytes} bytes")]
    Cut {
        /// How much came.
        bytes: u64,
    },
    /// The pieces make no whole.
    #[error("its answer is garbled after {bytes} bytes")]
    Garbled {
        /// How much came before that.
        bytes: u64,
    },
    /// The way to it broke, as it does when the SSH connection is lost.
    #[error("the way to it broke")]
    Broken {
        /// Why.
        source: io::Error,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Unsendable { .. } | Self::Unaskable => Code::InventoryInvalid,
            Self::NoAuthorities | Self::Certificate { .. } | Self::Tls { .. } => Code::TlsFailed,
            Self::Early
            | Self::EarlyHead
            | Self::NotHttp
            | Self::Head { .. }
            | Self::Encoded { .. }
            | Self::Garbled { .. } => Code::HttpInvalid,
            Self::Status { .. } => Code::HttpStatus,
            Self::TooMuch { .. } => Code::LimitExceeded,
            Self::Cut { .. } => Code::OutputCut,
            Self::Broken { .. } => Code::ConnectionLost,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unsendable { .. } | Self::Unaskable => {
                "Correct it in the inventory, or where its value lies.".to_owned()
            }
            Self::NoAuthorities => {
                "Install `ca-certificates` on this workstation, or name a file in `SSL_CERT_FILE`."
                    .to_owned()
            }
            Self::Certificate { .. } => {
                "Ask for it by the name that its certificate is for; for an authority of your own, name its certificate in `SSL_CERT_FILE` on this workstation."
                    .to_owned()
            }
            Self::Tls { .. } => {
                "Does it speak TLS on this port? An address without TLS begins with `http://`."
                    .to_owned()
            }
            Self::Early | Self::NotHttp => {
                "Is it a web server? An address with TLS begins with `https://`.".to_owned()
            }
            Self::EarlyHead | Self::Head { .. } | Self::Garbled { .. } => {
                "Look at the service and its log.".to_owned()
            }
            Self::Status { leads_to: Some(place), .. } => {
                format!("Redirects are not followed. It leads to `{place}`: write that address, or the status that you want under `status`.")
            }
            Self::Status { got: 401 | 403 | 407, .. } => {
                "Check what is sent under `headers`, and where its value lies.".to_owned()
            }
            Self::Status { .. } => {
                "Look at the service and its log; write under `status` if another one is right."
                    .to_owned()
            }
            Self::Encoded { .. } => {
                "fleet asks for no compression; the server should not compress without being asked."
                    .to_owned()
            }
            Self::TooMuch { .. } => {
                "Nothing of it was kept. Say a larger `max_bytes` at the source if that is how it should be.".to_owned()
            }
            Self::Cut { .. } => {
                "Nothing of it was kept. Look at the service and its log, and run the command again.".to_owned()
            }
            Self::Broken { .. } => return None,
        })
    }
}

impl Error {
    /// What hyper's error means before the head was there, of which `seen_bytes` had come.
    pub(super) fn before_the_answer(error: &hyper::Error, seen_bytes: usize) -> Self {
        if error.is_parse() {
            return Self::NotHttp;
        }
        match io_error(error) {
            Some(io) if is_custom(io) => Self::Broken { source: copied(io) },
            Some(io) => Self::ended_by(io, seen_bytes),
            None if error.is_incomplete_message() => Self::closed(seen_bytes),
            // It spoke before it was asked, as servers of other protocols do.
            None if seen_bytes > 0 => Self::NotHttp,
            None => Self::Early,
        }
    }

    fn ended_by(io: &io::Error, seen_bytes: usize) -> Self {
        match io.kind() {
            ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                Self::closed(seen_bytes)
            }
            _ => Self::Broken { source: copied(io) },
        }
    }

    fn closed(seen_bytes: usize) -> Self {
        if seen_bytes == 0 {
            Self::Early
        } else {
            Self::EarlyHead
        }
    }

    /// What hyper's error means when `bytes` of the body had come.
    pub(super) fn in_the_answer(error: &hyper::Error, bytes: u64) -> Self {
        match io_error(error) {
            Some(io) if is_custom(io) => Self::Broken { source: copied(io) },
            Some(io) => match io.kind() {
                ErrorKind::InvalidData | ErrorKind::InvalidInput => Self::Garbled { bytes },
                _ => Self::Cut { bytes },
            },
            None => Self::Cut { bytes },
        }
    }
}

/// What the stream itself said, if it was that.
fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut below: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = below {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io);
        }
        below = cause.source();
    }
    None
}

/// The stream gave an error of its own kind; those of protocols have kinds of the system's.
fn is_custom(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Other && error.get_ref().is_some()
}

/// Errors of streams can't be copied; what the one inside said can.
fn copied(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
