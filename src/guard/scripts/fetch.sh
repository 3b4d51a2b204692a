# shellcheck shell=sh
# Sends the files of a list as one tar stream.

# Names are relative to `/`, so that one that begins with `-` or holds `..` means itself. The blocks
# that announce extended headers are all the same, so that they compress to nothing.
tarred() {
case " $q " in
*' tar=bsd '*) $sudo tar -c -f - --format pax -n -C / --null -T - ;;
*)
  # Whatever `--hole-detection` says, GNU tar takes a file without blocks for one hole.
  case " $q " in *' tar=dense '*) holes= ;; *) holes=--sparse ;; esac
  $sudo tar --create --file=- --format=posix --blocking-factor=128 $holes --xattrs --acls \
  --no-recursion --pax-option=exthdr.name=pax,exthdr.mtime=0,delete=atime,delete=ctime \
  --quoting-style=c --directory=/ --null --no-unquote --files-from=- ;;
esac
}

# The same through a compressor. The status is that of tar, or 70 if the compressor failed, which is
# then also why tar did. A pipeline's status is that of its last command, so both go by a way of their own.
packed() {
exec 7>&1
t=$({ { tarred 7>&- 8>&-; echo $? >&8; } | { "$@" >&7 7>&- 8>&- || echo 70 >&8; }; } 8>&1)
exec 7>&-
case $t in *70*) return 70 ;; esac
return "$t"
}

fetch() {
case " $q " in
*' pack=gzip '*) listed packed gzip -1 -c ;;
*' pack=zstd '*) listed packed zstd -q -1 -T1 -c ;;
*) listed tarred ;;
esac
}
