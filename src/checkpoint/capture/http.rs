//! Captures the answer of a web server (`http` sources).

use std::time::Duration;

use crate::blocking::blocking;
use crate::fault::{Code, Fault, Problem};
use crate::guard::HttpGet;
use crate::inventory::HttpSource;
use crate::source::http::{self, Answer};
use crate::source::json;
use crate::source::secret::{Revealed, SecretError, reveal};
use crate::ssh::{self, ForwardedStream, ReachRefusal};

use super::{CaptureJob, CaptureOutcome, CapturedFiles, Spool, SpoolError, SpooledFile};

/// How much larger than `max_bytes` a normal form may be. Indentation makes two or three times as much of
/// ordinary JSON.
const NORMAL_FORM_MAX: u64 = 8;

/// A normal form is written in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// Why an answer is not kept.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("can't send header `{header}`")]
    Header { header: String, source: SecretError },
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("{get}")]
    Reach { get: String, source: ssh::Error },
    #[error("{get}")]
    Exchange { get: String, source: http::Error },
    #[error("{get}: no complete response within {} s", timeout.as_secs_f64())]
    Slow { get: String, timeout: Duration },
    #[error("{get}: the response is empty, not JSON")]
    Empty { get: String },
    #[error("{get}: the response{} is not JSON", called.as_ref().map(|called| format!(" (`{called}`)")).unwrap_or_default())]
    NotJson {
        get: String,
        called: Option<String>,
        source: json::Error,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Header { source, .. } => source.code(),
            Self::Spool(error) => error.code(),
            Self::Reach { source, .. } => source.code(),
            Self::Exchange { source, .. } => source.code(),
            Self::Slow { .. } => Code::TimedOut,
            Self::Empty { .. } => Code::PartEmpty,
            Self::NotJson { .. } => Code::NotJson,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Header { source, .. } => source.hint(),
            Self::Spool(error) => error.hint(),
            Self::Reach { source, .. } => source.hint(),
            Self::Exchange { source, .. } => source.hint(),
            Self::Slow { .. } => Some(
                "Nothing of it was kept. If it needs longer, raise `timeout` on the source."
                    .to_owned(),
            ),
            Self::Empty { .. } | Self::NotJson { .. } => Some(
                "Check the response of the service; remove `json: normalise` to keep it unchanged."
                    .to_owned(),
            ),
        }
    }
}

/// Asks, and keeps the answer.
pub(super) async fn take(taking: &CaptureJob<'_>, source: &HttpSource) -> CaptureOutcome {
    match run(taking, source).await {
        Ok(captured) => CaptureOutcome::Captured(captured),
        Err(Error::Reach {
            source:
                ssh::Error::Reach {
                    source: ReachRefusal::Refused,
                    ..
                },
            ..
        }) if taking.source.optional => CaptureOutcome::Absent,
        Err(error) => match taking.session.ended() {
            Some(ended) => CaptureOutcome::Lost(ended),
            None => CaptureOutcome::Failed(Problem::of_part(&error)),
        },
    }
}

async fn run(taking: &CaptureJob<'_>, source: &HttpSource) -> Result<CapturedFiles, Error> {
    let request = HttpGet::of(source);
    let get = request.to_string();
    // Before the host hears of it: what can't be sent is not worth a connection.
    let headers = revealed(&request).await?;
    let reached = taking.session.open_forward(&request, source.timeout).await;
    let reached = reached.map_err(|source| Error::Reach {
        get: get.clone(),
        source,
    })?;
    let exchange = Exchange {
        taking,
        source,
        request: &request,
        get: &get,
    };
    let deadline = reached.asked() + source.timeout;
    let answered = tokio::time::timeout_at(deadline, exchange.run(reached, &headers)).await;
    answered.unwrap_or_else(|_| {
        Err(Error::Slow {
            get: get.clone(),
            timeout: source.timeout,
        })
    })
}

async fn revealed(request: &HttpGet) -> Result<Vec<(String, Revealed)>, Error> {
    let headers = request.headers().to_vec();
    blocking(move || {
        let reveal = |(header, secret)| match reveal(&secret) {
            Ok(revealed) => Ok((header, revealed)),
            Err(source) => Err(Error::Header { header, source }),
        };
        headers.into_iter().map(reveal).collect()
    })
    .await
}

/// What it takes to ask once.
struct Exchange<'a> {
    taking: &'a CaptureJob<'a>,
    source: &'a HttpSource,
    request: &'a HttpGet,
    get: &'a str,
}

impl Exchange<'_> {
    async fn run(
        &self,
        reached: ForwardedStream,
        headers: &[(String, Revealed)],
    ) -> Result<CapturedFiles, Error> {
        let asked = http::ask(reached, self.request, headers).await;
        let answer = asked.map_err(|error| self.failed(error))?;
        answer
            .check(self.source.status)
            .map_err(|error| self.failed(error))?;
        let mut warnings = Vec::new();
        let file = if self.source.normalise_json {
            self.normal_form(answer).await?
        } else {
            if !answer.is_framed() {
                warnings.push(format!(
                    "{}: the response has no length, so fleet can't tell whether it is complete",
                    self.get
                ));
            }
            self.as_it_comes(answer).await?
        };
        Ok(CapturedFiles {
            files: vec![file],
            warnings,
            ..CapturedFiles::default()
        })
    }

    async fn as_it_comes(&self, mut answer: Answer) -> Result<SpooledFile, Error> {
        let mut spool = self.spool("txt")?;
        while let Some(piece) = self.next(&mut answer).await? {
            spool.write(&piece)?;
        }
        Ok(spool.finish())
    }

    /// JSON that parses is whole, whatever the head said of its length.
    async fn normal_form(&self, mut answer: Answer) -> Result<SpooledFile, Error> {
        let called = answer.content_type();
        let mut text = Vec::new();
        while let Some(piece) = self.next(&mut answer).await? {
            text.extend_from_slice(&piece);
        }
        if text.trim_ascii().is_empty() {
            return Err(Error::Empty {
                get: self.get.to_owned(),
            });
        }
        let limit = self.source.max_bytes.saturating_mul(NORMAL_FORM_MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let normal = blocking(move || json::normalise(&text, limit)).await;
        let normal = normal.map_err(|source| Error::NotJson {
            get: self.get.to_owned(),
            called,
            source,
        })?;
        let mut spool = self.spool("json")?;
        for piece in normal.chunks(PIECE_BYTES) {
            spool.write(piece)?;
        }
        Ok(spool.finish())
    }

    fn spool(&self, ending: &str) -> Result<Spool, SpoolError> {
        let name = self.source.file.clone();
        let name = name.unwrap_or_else(|| format!("{}.{ending}", self.taking.source.name));
        Spool::create(self.taking.spool, &name)
    }

    async fn next(&self, answer: &mut Answer) -> Result<Option<bytes::Bytes>, Error> {
        let piece = answer.next(self.source.max_bytes).await;
        piece.map_err(|error| self.failed(error))
    }

    fn failed(&self, source: http::Error) -> Error {
        Error::Exchange {
            get: self.get.to_owned(),
            source,
        }
    }
}
