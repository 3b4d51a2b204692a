//! Packs: ordinary `.tar.zst` files made of independent frames, so that `tar --zstd -xpf` reads one
//! whole (with `--delay-directory-restore`, times of directories too) and fleet reads one member out
//! of it.
//!
//! A frame holds either whole small members, together about 1 MiB, or up to 1 MiB of one large
//! member; the end-of-archive blocks have a frame of their own. Small files with one name that hardly
//! compress share no frame with anything else, and so are not in the order in which they came; all
//! that a link may lead to comes before the link. Each frame carries zstd's content checksum. Behind
//! the frames come two skippable frames, which zstd and tar pass over: the digest of the index, and the
//! index itself, which is the seek table of zstd's seekable format.
//!
//! What a reader gives is what was written, or an error; damage never changes content silently.
//! Nothing here knows the store's folders or records, and nothing here is sealed.
//!
//! Source: `zstd_seekable_compression_format.md` 0.1.0 in zstd's `contrib/seekable_format`.

mod background_sync;
mod copy;
mod error;
mod group;
mod index;
mod pipeline;
mod read_at;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use copy::Wanted;
pub use error::Error;
pub use group::Order;
pub use index::Frame;
pub use read_at::ReadAt;
pub use reader::{FrameReader, MemberReader, PackReader};
pub use writer::{PackOptions, PackSummary, PackWriter};

/// How many uncompressed bytes close a frame.
const FRAME_BYTES: usize = 1 << 20;

/// The most bytes with which an archive ends: two blocks, and zeros up to a multiple of 10,240.
pub const END_MAX_BYTES: u64 = 1024 + (10_240 - 512);

/// The most uncompressed bytes in one frame: a group that was nearly full, and one more member.
pub const FRAME_MAX_BYTES: usize = 2 * FRAME_BYTES;
