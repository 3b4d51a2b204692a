# shellcheck shell=sh
# Tells which of some packages are installed, and which tools would install packages and make accounts: lines
# `installed NAME`, `manager TOOL` and `accounts TOOL`.

# Sets $manager to the tool that installs packages here: one whose database answers.
package_manager() {
manager=
if command -v apt-get >/dev/null && dpkg-query -W dpkg >/dev/null 2>&1; then manager=apt-get
elif command -v apk >/dev/null && apk info -e apk-tools >/dev/null 2>&1; then manager=apk
elif command -v rpm >/dev/null && rpm -q rpm >/dev/null 2>&1; then
  for y in dnf yum zypper; do
    if command -v "$y" >/dev/null; then manager=$y; break; fi
  done
fi
}

# Whether the package $1 is installed, or another one that provides it, where the database knows of that.
is_installed() {
case $manager in
apt-get) case $(dpkg-query -W -f '${db:Status-Status} ' -- "$1" 2>/dev/null) in *installed' '*) ;; *) return 1 ;; esac ;;
apk) apk info -e -- "$1" >/dev/null 2>&1 ;;
?*) rpm -q --whatprovides -- "$1" >/dev/null 2>&1 ;;
*) return 1 ;;
esac
}

packages() {
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
beat 5
package_manager
case $manager in ?*) printf 'manager %s\n' "$manager" ;; esac
for y in useradd adduser; do
  if command -v "$y" >/dev/null; then printf 'accounts %s\n' "$y"; break; fi
done
for k in $q; do
  case $k in
  package=*)
    dec "${k#*=}"
    if is_installed "$x"; then printf 'installed %s\n' "$x"; fi ;;
  esac
done
}
