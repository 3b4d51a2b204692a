//! How contents are asked for: digests of files, and tar streams.

use super::{Compression, ReadCommand, TarFlavour};
use crate::guard::shell::quote;
use crate::name::RemotePath;

/// Hashing is silent for long on large files: a blank line on standard error now and then tells that it
/// goes on.
pub(super) fn digest(prefix: &[u8]) -> Vec<u8> {
    let mut script =
        b"{ while sleep 5 </dev/null >/dev/null 2>&1; do echo >&2; done & } 3<&-; b=$!; \
        xargs -0 -r "
            .to_vec();
    script.extend_from_slice(prefix);
    script.extend_from_slice(b"sha256sum -z -- 3<&-; s=$?; kill $b; (exit $s)");
    script
}

pub(super) fn fetch(prefix: &[u8], tar: TarFlavour) -> Vec<u8> {
    // `-C /` with relative names: a name that begins with `-` or holds `..` then means itself. The blocks
    // that announce extended headers are all the same, so that they compress to nothing.
    let options: &[u8] = match tar {
        TarFlavour::Gnu => {
            b"tar --create --file=- --format=posix --blocking-factor=128 --sparse --xattrs --acls \
              --no-recursion \
              --pax-option=exthdr.name=pax,exthdr.mtime=0,delete=atime,delete=ctime \
              --quoting-style=c --directory=/ --null --no-unquote --files-from=-"
        }
        TarFlavour::Bsd => b"tar -c -f - --format pax -n -C / --null -T -",
    };
    [prefix, options].concat()
}

/// `tar`, its output sent through a compressor. Ends with tar's own exit status in `$?`, which tells
/// things that matter; [`ReadCommand::COMPRESSOR_FAILED`] if the compressor failed.
///
/// A pipeline's status is that of its last command, so both statuses go by a way of their own.
pub(super) fn compressed(tar: &[u8], compression: Compression) -> Vec<u8> {
    let compressor = match compression {
        Compression::None => return [tar, b" 3<&-"].concat(),
        Compression::Gzip => "gzip -1 -c",
        Compression::Zstd => "zstd -q -1 -T1 -c",
    };
    let failed = ReadCommand::COMPRESSOR_FAILED;
    [
        b"exec 4>&1; s=$({ { ",
        tar,
        b" 3<&- 4>&- 5>&-; echo $? >&5; } | ",
        format!("{compressor} 3<&- >&4 4>&- 5>&- || echo {failed} >&5; }} 5>&1 3<&-); exec 4>&-; ")
            .as_bytes(),
        // The compressor's failure is the cause of tar's; whichever line comes first.
        format!("case \"$s\" in *{failed}*) s={failed};; esac; (exit \"$s\")").as_bytes(),
    ]
    .concat()
}

pub(super) fn fetch_whole(prefix: &[u8], roots: &[RemotePath]) -> Vec<u8> {
    let mut script = [prefix, b"tar -c -f - -C / --"].concat();
    for root in roots {
        script.push(b' ');
        // The file system's root is the only one without a name.
        script.extend(quote(if root.member().is_empty() {
            b"."
        } else {
            root.member()
        }));
    }
    script
}
