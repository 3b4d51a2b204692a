//! The list of names that tar on the host reads from its standard input.

use crate::manifest::FileType;
use crate::source::scan::Found;
use crate::ssh::Input;

/// The names that tar is asked for. Where entries are taken over, the directories come first: a pull that
/// is cut then still knows where those belong.
pub(crate) fn fetch_list(wanted: &[Found], directories_first: bool) -> Input {
    let mut list = Vec::new();
    let mut add = |found: &Found| {
        list.extend_from_slice(found.path.member());
        list.push(0);
    };
    let is_directory = |found: &&Found| found.is(FileType::Directory);
    if directories_first {
        wanted.iter().filter(is_directory).for_each(&mut add);
        wanted
            .iter()
            .filter(|found| !is_directory(found))
            .for_each(add);
    } else {
        wanted.iter().for_each(add);
    }
    Input::bytes(list)
}
