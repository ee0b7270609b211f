//! What this machine says of itself: its name, its processes, its file systems.

use std::path::{Path, PathBuf};

/// The machine's name, as a server here says it too.
#[must_use]
pub fn name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Whether that file has the number of a database server that runs here.
#[must_use]
pub fn runs_server(pid_file: &Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let named = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    named.is_some_and(|name| ["mysqld", "mariadbd"].iter().any(|server| name.trim().starts_with(server)))
}

/// The file system that a place lies on, by its highest directory, and the bytes that are free there for a server that is not
/// root; `None` when it can't be looked at.
#[must_use]
pub fn free(place: &Path) -> Option<(PathBuf, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let place = place.canonicalize().ok()?;
    let space = rustix::fs::statvfs(&place).ok()?;
    let device = std::fs::metadata(&place).ok()?.dev();
    let same = |path: &&Path| std::fs::metadata(path).is_ok_and(|found| found.dev() == device);
    let top = place.ancestors().take_while(same).last().unwrap_or(&place);
    Some((top.to_owned(), space.f_bavail.saturating_mul(space.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_this_machine() {
        assert!(name().is_some_and(|name| !name.contains('\n')));
        let (top, bytes) = free(&std::env::temp_dir()).unwrap();
        assert!(std::env::temp_dir().canonicalize().unwrap().starts_with(&top) && bytes > 0, "{top:?} {bytes}");
        assert_eq!(free(Path::new("/nowhere/at/all")), None);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        assert!(!runs_server(&file), "no file");
        std::fs::write(&file, std::process::id().to_string()).unwrap();
        assert!(!runs_server(&file), "a test is no server");
    }
}
