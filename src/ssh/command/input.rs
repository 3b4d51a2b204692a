//! Standard input of a command: nothing, bytes, or a stream whose length is known beforehand.
//!
//! The request announces the length (`bytes=`), the data follows it, and lines that show that this side
//! lives follow the data, never within it. A script on the host that takes a stream therefore
//!
//! - reads exactly as many bytes as are announced, and looks for lines only behind them;
//! - takes the data for whole only when the first line has come, for a command that is stopped and a
//!   connection that is lost look like an end of data;
//! - lets a tool that may take nothing for long beat on its standard error, and ends when nobody listens
//!   there: the end of the input is not seen behind data that waits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::ssh::error::Cause;

/// Data is read and sent in pieces of at most this size; of a stream no more than one is held here.
const PIECE_BYTES: usize = 256 << 10;

/// What a command is given on its standard input.
#[derive(Clone, Default)]
pub struct Input(Data);

#[derive(Clone, Default)]
enum Data {
    #[default]
    None,
    Bytes(Bytes),
    Stream {
        length_bytes: u64,
        open: Open,
    },
}

/// Opens a stream at its beginning.
type Open = Arc<dyn Fn() -> io::Result<Reader> + Send + Sync>;

type Reader = Pin<Box<dyn AsyncRead + Send>>;

/// It may be a password: only its length is shown.
impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({} bytes)", self.length_bytes())
    }
}

impl Input {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These bytes.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self(Data::Bytes(bytes.into()))
    }

    /// Exactly `length_bytes` from what `open` gives, for data that memory should not hold.
    ///
    /// `open` is called when the command has begun on the host; again from the beginning, if sudo has
    /// refused that attempt. It must not block. The stream is read as fast as the host takes it: at most
    /// 256 KiB and what the host lets be on the way wait here. While the stream itself is slow, the
    /// silence is not taken for the host's.
    ///
    /// A stream that fails, ends early, or goes on after `length_bytes` makes the command fail with
    /// [`Error::Input`](crate::ssh::Error::Input), and the host never gets the whole announced length.
    ///
    /// # Cancel
    ///
    /// A command that ends before it has read everything is no error; its status decides. The stream is
    /// dropped then, as it is when the command is stopped or dropped or its connection lost, and some of
    /// what was read from it may never have been sent. It is gone when
    /// [`Running::finish`](crate::ssh::Running::finish) or [`Running::stop`](crate::ssh::Running::stop)
    /// returns.
    #[must_use]
    pub fn stream<R: AsyncRead + Send + 'static>(
        length_bytes: u64,
        open: impl Fn() -> io::Result<R> + Send + Sync + 'static,
    ) -> Self {
        Self(Data::Stream {
            length_bytes,
            open: Arc::new(move || open().map(|reader| Box::pin(reader) as Reader)),
        })
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        match &self.0 {
            Data::None => 0,
            Data::Bytes(bytes) => bytes.len() as u64,
            Data::Stream { length_bytes, .. } => *length_bytes,
        }
    }

    /// Its bytes; none of a stream, which nobody has read yet.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Data::None => Some(&[]),
            Data::Bytes(bytes) => Some(bytes),
            Data::Stream { .. } => None,
        }
    }

    /// It is read while it is sent.
    pub(in crate::ssh) fn is_stream(&self) -> bool {
        matches!(self.0, Data::Stream { .. })
    }

    /// Opens it, to be sent piece by piece.
    ///
    /// # Errors
    ///
    /// [`InputError::Read`].
    pub(in crate::ssh) fn open(self) -> Result<Pieces, InputError> {
        Ok(match self.0 {
            Data::None => Pieces::Bytes(Bytes::new()),
            Data::Bytes(bytes) => Pieces::Bytes(bytes),
            Data::Stream { length_bytes, open } => Pieces::Stream(Stream {
                reader: open()?,
                length_bytes,
                taken_bytes: 0,
                is_over: false,
            }),
        })
    }
}

/// Why a stream could not be sent as it was announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// It ended early.
    #[error("the data ended after {taken_bytes} of {length_bytes} bytes")]
    TooShort {
        /// How much came.
        taken_bytes: u64,
        /// How much was announced.
        length_bytes: u64,
    },
    /// It goes on.
    #[error("the data is longer than the {length_bytes} bytes that were announced")]
    TooLong {
        /// How much was announced.
        length_bytes: u64,
    },
    /// It could not be read.
    #[error("the data can't be read: {0}")]
    Read(Cause),
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> Self {
        Self::Read(Cause(error.to_string()))
    }
}

/// An input that is being sent.
pub(in crate::ssh) enum Pieces {
    Bytes(Bytes),
    Stream(Stream),
}

impl Pieces {
    /// The next piece, never empty; none at the end.
    ///
    /// # Errors
    ///
    /// Any [`InputError`].
    pub(in crate::ssh) async fn next(&mut self) -> Result<Option<Bytes>, InputError> {
        let piece = match self {
            Self::Bytes(rest) => rest.split_to(rest.len().min(PIECE_BYTES)),
            Self::Stream(stream) => stream.next().await?,
        };
        Ok((!piece.is_empty()).then_some(piece))
    }
}

/// A stream that is being read.
pub(in crate::ssh) struct Stream {
    reader: Reader,
    length_bytes: u64,
    taken_bytes: u64,
    is_over: bool,
}

impl Stream {
    /// The next piece, empty at the end. The last one is given only when nothing comes behind it, so that
    /// what is wrong with a stream is known before the host has all of it.
    async fn next(&mut self) -> Result<Bytes, InputError> {
        if self.is_over {
            return Ok(Bytes::new());
        }
        let left_bytes = self.length_bytes - self.taken_bytes;
        let wanted = usize::try_from(left_bytes).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let mut piece = BytesMut::with_capacity(wanted);
        while piece.len() < wanted {
            let missing = wanted - piece.len();
            let mut room = (&mut piece).limit(missing);
            if self.reader.read_buf(&mut room).await? == 0 {
                return Err(InputError::TooShort {
                    taken_bytes: self.taken_bytes + piece.len() as u64,
                    length_bytes: self.length_bytes,
                });
            }
        }
        self.taken_bytes += wanted as u64;
        if self.taken_bytes == self.length_bytes {
            if self.reader.read(&mut [0]).await? > 0 {
                return Err(InputError::TooLong {
                    length_bytes: self.length_bytes,
                });
            }
            self.is_over = true;
        }
        Ok(piece.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `sizes` of bytes one by one, and then ends.
    fn stream(length_bytes: u64, sizes: &'static [usize]) -> Input {
        Input::stream(length_bytes, move || {
            let (read, mut write) = tokio::io::duplex(1 << 20);
            tokio::spawn(async move {
                for size in sizes {
                    let bytes = vec![b'x'; *size];
                    tokio::io::AsyncWriteExt::write_all(&mut write, &bytes)
                        .await
                        .expect("a reader");
                }
            });
            Ok(read)
        })
    }

    /// The sizes of the pieces, and how it ended.
    async fn sizes(input: Input) -> (Vec<usize>, Result<(), InputError>) {
        let mut pieces = match input.open() {
            Ok(pieces) => pieces,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let mut sizes = Vec::new();
        loop {
            match pieces.next().await {
                Ok(Some(piece)) => sizes.push(piece.len()),
                Ok(None) => return (sizes, Ok(())),
                Err(error) => return (sizes, Err(error)),
            }
        }
    }

    #[tokio::test]
    async fn an_input_is_given_in_pieces() {
        let piece = PIECE_BYTES;
        for (input, expected) in [
            (Input::none(), vec![]),
            (Input::bytes(""), vec![]),
            (Input::bytes(vec![0; piece]), vec![piece]),
            (Input::bytes(vec![0; piece + 1]), vec![piece, 1]),
            (stream(0, &[]), vec![]),
            (stream(3, &[1, 2]), vec![3]),
            (stream(262_144, &[262_144]), vec![piece]),
            (stream(262_145, &[262_143, 2]), vec![piece, 1]),
        ] {
            assert_eq!(sizes(input).await, (expected, Ok(())));
        }
    }

    #[tokio::test]
    async fn a_stream_of_another_length_never_gives_its_last_piece() {
        let too_short = |taken_bytes, length_bytes| InputError::TooShort {
            taken_bytes,
            length_bytes,
        };
        let too_long = |length_bytes| InputError::TooLong { length_bytes };
        for (input, given, error) in [
            (stream(1, &[]), vec![], too_short(0, 1)),
            (
                stream(262_145, &[262_144]),
                vec![PIECE_BYTES],
                too_short(262_144, 262_145),
            ),
            (stream(0, &[1]), vec![], too_long(0)),
            (stream(262_144, &[262_145]), vec![], too_long(262_144)),
            (
                stream(262_145, &[262_144, 2]),
                vec![PIECE_BYTES],
                too_long(262_145),
            ),
        ] {
            assert_eq!(sizes(input).await, (given, Err(error)));
        }
        let closed = Input::stream(1, || Err::<tokio::io::Empty, _>(io::Error::other("gone")));
        let error = InputError::Read(Cause("gone".to_owned()));
        assert_eq!(error.to_string(), "the data can't be read: gone");
        assert_eq!(sizes(closed).await, (vec![], Err(error)));
    }

    #[test]
    fn an_input_shows_nothing_but_its_length() {
        let input = Input::bytes("tiger");
        assert_eq!(format!("{input:?}"), "Input(5 bytes)");
        assert_eq!(input.as_bytes(), Some(&b"tiger"[..]));
        let input = Input::stream(1 << 40, || Ok(tokio::io::empty()));
        assert_eq!(format!("{input:?}"), "Input(1099511627776 bytes)");
        assert_eq!(input.as_bytes(), None);
    }
}
