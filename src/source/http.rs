//! Reads the answer to one HTTP `GET` over a stream that is open already.
//!
//! The protocol is hyper's. What is added is proof: an answer that was cut is an error, and whether its
//! end can be trusted at all is returned. No redirect is followed, no compression asked for, nothing kept
//! open. Header values are secrets and appear in no error.

mod error;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, LOCATION, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Method, Request, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_util::io::InspectReader;

use super::secret::Revealed;
use crate::guard::HttpGet;
use crate::name::escape;

pub use error::Error;

/// Longer heads are refused; servers themselves take 8 to 64 KiB.
const HEAD_MAX_BYTES: usize = 64 << 10;

/// More header fields than any server sends.
const FIELDS_MAX: usize = 1000;

/// Of what a server says, so much is shown.
const SHOWN_MAX: usize = 100;

/// What a stream must be.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// An answer whose head has come. Dropping it ends the exchange.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    is_framed: bool,
    taken_bytes: u64,
    /// Moves the bytes; ends with the answer.
    _mover: JoinSet<()>,
}

/// Asks for what `request` says, with `headers` along, over `stream`, and waits for the head of the
/// answer. Where the address begins with `https`, TLS comes first, and the server must prove its name by
/// an authority that this workstation trusts.
///
/// # Errors
///
/// [`Error`], with nothing of the headers' values.
///
/// # Cancel
///
/// Dropping the future drops the stream.
pub async fn ask<S: Stream>(
    stream: S,
    request: &HttpGet,
    headers: &[(String, Revealed)],
) -> Result<Answer, Error> {
    let is_tls = request.url().tls();
    let request = rendered(request, headers)?;
    if is_tls {
        let stream = tls::wrap(stream, &request.host).await?;
        exchange(stream, request.request, true).await
    } else {
        exchange(stream, request.request, false).await
    }
}

struct RenderedGet {
    host: String,
    request: Request<Empty<Bytes>>,
}

fn rendered(get: &HttpGet, headers: &[(String, Revealed)]) -> Result<RenderedGet, Error> {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        let unsendable = || Error::Unsendable {
            header: name.clone(),
        };
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
        let mut value =
            HeaderValue::from_bytes(value.text().as_bytes()).map_err(|_| unsendable())?;
        value.set_sensitive(true);
        fields.append(field, value);
    }
    let own = [
        (HOST, get.url().authority()),
        (USER_AGENT, format!("fleet/{}", env!("CARGO_PKG_VERSION"))),
        (ACCEPT, "*/*".to_owned()),
    ];
    for (field, value) in own {
        if !fields.contains_key(&field) {
            let value = HeaderValue::try_from(value).map_err(|_| Error::Unsendable {
                header: field.to_string(),
            })?;
            fields.insert(field, value);
        }
    }
    fields.insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = fields;
    *request.uri_mut() = get.url().target().parse().map_err(|_| Error::Unaskable)?;
    Ok(RenderedGet {
        host: get.url().host().to_owned(),
        request,
    })
}

async fn exchange<S: Stream>(
    stream: S,
    request: Request<Empty<Bytes>>,
    is_end_told: bool,
) -> Result<Answer, Error> {
    let seen_bytes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen_bytes);
    let counted = InspectReader::new(stream, move |bytes: &[u8]| {
        counter.fetch_add(bytes.len(), Ordering::Relaxed);
    });
    let failed = |error: hyper::Error| {
        let seen_bytes = seen_bytes.load(Ordering::Relaxed);
        if error.is_parse() && seen_bytes >= HEAD_MAX_BYTES {
            Error::Head {
                limit_bytes: HEAD_MAX_BYTES,
            }
        } else {
            Error::before_the_answer(&error, seen_bytes)
        }
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(FIELDS_MAX)
        .handshake(TokioIo::new(counted))
        .await
        .map_err(failed)?;
    let mut mover = JoinSet::new();
    mover.spawn(async move {
        // Whoever waits for the answer gets the same error.
        drop(connection.await);
    });
    let answer = sender.send_request(request).await.map_err(failed)?;
    let (head, body) = answer.into_parts();
    let has_length = head.headers.contains_key(CONTENT_LENGTH)
        || head.headers.contains_key(TRANSFER_ENCODING)
        || body.is_end_stream();
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
        is_framed: has_length || is_end_told,
        taken_bytes: 0,
        _mover: mover,
    })
}

impl Answer {
    /// Judges the head: the status must be `wanted`, and the body must come as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Status`], [`Error::Encoded`].
    pub fn check(&self, wanted: u16) -> Result<(), Error> {
        if self.status.as_u16() != wanted {
            return Err(Error::Status {
                wanted,
                got: self.status.as_u16(),
                reason: self.status.canonical_reason(),
                leads_to: self.leads_to(),
            });
        }
        match self.shown(&CONTENT_ENCODING) {
            Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
                Err(Error::Encoded { encoding })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What the server calls its content, escaped.
    #[must_use]
    pub fn content_type(&self) -> Option<String> {
        self.shown(&CONTENT_TYPE)
    }

    /// Whether the end of the answer proves that it is whole. Without a length, a server that dies looks
    /// like one that has said all.
    #[must_use]
    pub fn is_framed(&self) -> bool {
        self.is_framed
    }

    /// The next piece of the body; none at its proven end, see [`Self::is_framed`].
    ///
    /// # Errors
    ///
    /// [`Error::TooMuch`] as soon as it is known that there is more than `max_bytes`;
    /// [`Error::Cut`], [`Error::Garbled`], [`Error::Broken`].
    pub async fn next(&mut self, max_bytes: u64) -> Result<Option<Bytes>, Error> {
        let left_bytes = self.body.size_hint().lower();
        if self.taken_bytes.saturating_add(left_bytes) > max_bytes {
            return Err(Error::TooMuch { max_bytes });
        }
        loop {
            let frame = match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Error::in_the_answer(&error, self.taken_bytes)),
                Some(Ok(frame)) => frame,
            };
            // Trailers are not content.
            if let Ok(data) = frame.into_data() {
                self.taken_bytes += data.len() as u64;
                if self.taken_bytes > max_bytes {
                    return Err(Error::TooMuch { max_bytes });
                }
                return Ok(Some(data));
            }
        }
    }

    /// Where a redirect leads: without query, and not at all where it might hold a password.
    fn leads_to(&self) -> Option<String> {
        if !self.status.is_redirection() {
            return None;
        }
        let place = self.shown(&LOCATION)?;
        let place = place.split(['?', '#']).next().unwrap_or_default();
        (!place.is_empty() && !place.contains('@')).then(|| place.to_owned())
    }

    fn shown(&self, field: &HeaderName) -> Option<String> {
        let value = self.headers.get(field)?.as_bytes();
        Some(escape(value).chars().take(SHOWN_MAX).collect())
    }
}

#[cfg(test)]
mod tests;
