//! Errors between a request to a web server and the end of its answer.
//!
//! Nothing here holds a header's value, a query, or a piece of a body.

use std::io::{self, ErrorKind};

use crate::fault::{Code, Fault};

/// Why there is no answer, or none that can be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A header can't be sent.
    #[error(
        "header `{header}` can't be sent: its value has characters that are not allowed in a header"
    )]
    Unsendable {
        /// Its name.
        header: String,
    },
    /// The address makes no request.
    #[error("can't build a request from this URL")]
    Unaskable,
    /// This workstation trusts nobody.
    #[error("no certificate authorities found on this workstation")]
    NoAuthorities,
    /// The server is not proven to be the one that is meant.
    #[error("its certificate is not trusted: {why}")]
    Certificate {
        /// What is wrong with it.
        why: String,
    },
    /// There is no TLS with it.
    #[error("TLS handshake failed: {why}")]
    Tls {
        /// Why.
        why: String,
    },
    /// It closed the connection instead of answering.
    #[error("the server closed the connection without a response")]
    Early,
    /// It closed the connection in the head of the answer.
    #[error("the server closed the connection in the middle of the response headers")]
    EarlyHead,
    /// It speaks something else.
    #[error("the response is not HTTP/1")]
    NotHttp,
    /// Its head has no end.
    #[error("the response headers are longer than {limit_bytes} bytes")]
    Head {
        /// How much would have been taken.
        limit_bytes: usize,
    },
    /// Another status.
    #[error("the server returned {got}{}, expected {wanted}", reason.map(|reason| format!(" {reason}")).unwrap_or_default())]
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
    #[error("the response is encoded as `{encoding}`, which was not requested")]
    Encoded {
        /// How, escaped.
        encoding: String,
    },
    /// More than is wanted.
    #[error("the response is longer than {max_bytes} bytes")]
    TooMuch {
        /// How much would have been taken.
        max_bytes: u64,
    },
    /// The end is missing.
    #[error("the response ended early, after {bytes} bytes")]
    Cut {
        /// How much came.
        bytes: u64,
    },
    /// The pieces make no whole.
    #[error("the response is malformed after {bytes} bytes")]
    Garbled {
        /// How much came before that.
        bytes: u64,
    },
    /// The way to it broke, as it does when the SSH connection is lost.
    #[error("the connection was lost")]
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
                "Correct it in the inventory, or where its value is kept.".to_owned()
            }
            Self::NoAuthorities => {
                "Install `ca-certificates` on this workstation, or name a file in `SSL_CERT_FILE`."
                    .to_owned()
            }
            Self::Certificate { .. } => {
                "Use the host name that the certificate is for; for a certificate authority of your own, name its certificate in `SSL_CERT_FILE` on this workstation."
                    .to_owned()
            }
            Self::Tls { .. } => {
                "Check that the service uses TLS on this port; for one without TLS, begin the URL with `http://`."
                    .to_owned()
            }
            Self::Early | Self::NotHttp => {
                "Check that this is a web server; for one with TLS, begin the URL with `https://`.".to_owned()
            }
            Self::EarlyHead | Self::Head { .. } | Self::Garbled { .. } => {
                "Check the service and its log.".to_owned()
            }
            Self::Status { leads_to: Some(place), .. } => {
                format!("Redirects are not followed. This one leads to `{place}`: use that URL, or set the expected code with `status`.")
            }
            Self::Status { got: 401 | 403 | 407, .. } => {
                "Check `headers` of the source, and the secrets it uses.".to_owned()
            }
            Self::Status { .. } => {
                "Check the service and its log; set `status` if another code is expected."
                    .to_owned()
            }
            Self::Encoded { .. } => {
                "fleet requests no compression; configure the server not to compress unrequested."
                    .to_owned()
            }
            Self::TooMuch { .. } => {
                "Nothing of it was kept. If that size is expected, set a larger `max_bytes` on the source.".to_owned()
            }
            Self::Cut { .. } => {
                "Nothing of it was kept. Check the service and its log, and run the command again.".to_owned()
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
