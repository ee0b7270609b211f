//! A file or a manifest that was cut or changed is always found out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::disk::Memory;
use super::formats::write;
use super::sample::{FORMATS, layout, rows};
use crate::archive::files::Files;
use crate::archive::verify::verify;

const MANIFEST: &str = "/a/file.manifest";

fn bend(memory: &Memory, path: &Path, place: prop::sample::Index, way: u8) -> bool {
    let bytes = memory.bytes(path);
    let at = place.index(bytes.len());
    let mut bent = bytes.clone();
    match way {
        0..=7 => bent[at] ^= 1 << way,
        8 => bent.truncate(at),
        9 => bent.push(bytes[at]),
        _ => drop(bent.remove(at)),
    }
    memory.put(path, bent.clone());
    bent != bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_change_is_found(
        batches in proptest::collection::vec(rows(1..4), 1..4),
        kind in 0..FORMATS.len(),
        manifest: bool,
        place: prop::sample::Index,
        way in 0_u8..11,
    ) {
        let memory = Memory::default();
        let files: Arc<dyn Files> = Arc::new(memory.clone());
        let (format, compression) = FORMATS[kind];
        let path = write(&files, layout(format, compression), &batches);
        prop_assert!(verify(files.as_ref(), &path).is_ok());
        let victim = if manifest { PathBuf::from(MANIFEST) } else { path.clone() };
        if bend(&memory, &victim, place, way) {
            let found = verify(files.as_ref(), &path);
            prop_assert!(found.is_err(), "{:?} {} {:?}", format, manifest, found);
        }
    }
}

#[test]
fn what_is_missing_is_said() {
    let memory = Memory::default();
    let files: Arc<dyn Files> = Arc::new(memory.clone());
    let (format, compression) = FORMATS[0];
    let batch = vec![crate::ports::server::Row(vec![Some(b"1".to_vec()), None])];
    let columns = [super::sample::column("id", "int(11)", None, false), super::sample::column("v", "blob", None, true)];
    let layout =
        crate::archive::Layout::new(super::sample::table(), &columns, Vec::new(), format, compression).unwrap();
    let path = write(&files, layout, &[batch]);
    let told = |path: &Path| verify(files.as_ref(), path).unwrap_err().to_string();
    assert!(told(Path::new("/a/none")).contains("failed to read /a/none"), "{}", told(Path::new("/a/none")));
    memory.put(Path::new("/a/file.part"), Vec::new());
    assert!(told(&path).contains("not complete"), "{}", told(&path));
    files.remove(Path::new("/a/file.part")).unwrap();
    files.remove(Path::new(MANIFEST)).unwrap();
    assert!(told(&path).contains("its manifest /a/file.manifest is not there"), "{}", told(&path));
}
