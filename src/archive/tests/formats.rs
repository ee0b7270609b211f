//! Every format there and back.

use std::sync::Arc;

use proptest::prelude::*;

use super::disk::Memory;
use super::sample::{FORMATS, ident, layout, rows, table};
use crate::archive::files::Files;
use crate::archive::manifest::Paths;
use crate::archive::rows as plain;
use crate::archive::verify::Reader;
use crate::archive::writer::Writer;
use crate::archive::{Compression, Format, Layout};
use crate::ports::destination::Fate;
use crate::ports::server::Row;

/// Writes batches to a complete file.
pub(super) fn write(files: &Arc<dyn Files>, layout: Layout, batches: &[Vec<Row>]) -> std::path::PathBuf {
    let path = std::path::PathBuf::from("/a/file");
    let begun = "2026-01-02 03:04:05".to_owned();
    let mut writer = Writer::create(Arc::clone(files), Arc::new(layout), Paths::of(&path), begun, "r".into()).unwrap();
    for (number, rows) in (1..).zip(batches) {
        writer.take(number, rows).unwrap();
        writer.settle(number, Fate::Deleted).unwrap();
    }
    let complete = writer.finish().map_err(|(_, error)| error).unwrap().unwrap();
    assert_eq!(complete.path, path);
    path
}

fn normal(layout: &Layout, rows: &[Row]) -> Vec<Row> {
    plain::decode(&layout.fields, &plain::encode(&layout.fields, &layout.pick(rows)).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(batches in proptest::collection::vec(rows(1..6), 1..4)) {
        for (format, compression) in FORMATS {
            let layout = layout(format, compression);
            let files: Arc<dyn Files> = Arc::new(Memory::default());
            let path = write(&files, layout.clone(), &batches);
            let mut reader = Reader::open(files.as_ref(), &path).unwrap();
            for (number, rows) in (1_u64..).zip(&batches) {
                let (batch, read) = reader.next().unwrap().unwrap();
                prop_assert_eq!(batch.number, number);
                prop_assert_eq!(read, normal(&layout, rows), "{:?} {:?}", format, compression);
            }
            prop_assert!(reader.next().unwrap().is_none());
            prop_assert_eq!(files.names(std::path::Path::new("/a")).unwrap().len(), 2, "file and manifest");
        }
    }
}

/// How text formats look is a promise to other programs.
#[test]
fn text_formats_look_as_documented() {
    let columns = [
        super::sample::column("id", "int(11)", None, false),
        super::sample::column("note", "varchar(20)", Some("latin1"), true),
        super::sample::column("raw", "varbinary(20)", None, true),
        super::sample::column("price", "decimal(9,2)", None, true),
        super::sample::column("f", "double", None, true),
    ];
    let row = |values: [Option<&[u8]>; 5]| Row(values.iter().map(|value| value.map(<[u8]>::to_vec)).collect());
    let rows = [
        row([Some(b"1"), Some(b"caf\xe9 \"x\"\n"), Some(b"\0\xff"), Some(b"1.50"), Some(b"0.1")]),
        row([Some(b"2"), None, Some(b""), None, None]),
        row([Some(b"3"), Some(b"NULL"), None, None, Some(b"1e+300")]),
        row([Some(b"4"), Some(b""), None, None, Some(b"-0")]),
    ];
    let text = |format: Format| {
        let layout = Layout::new(table(), &columns, vec![ident("id")], format, Compression::None).unwrap();
        let bytes = layout.encode(&rows, Vec::new()).unwrap();
        String::from_utf8([layout.head(), bytes].concat()).unwrap()
    };
    assert_eq!(
        text(Format::Csv),
        "\"id\",\"note\",\"raw\",\"price\",\"f\"\r\n1,\"café \"\"x\"\"\n\",\\x00ff,1.50,0.1\r\n2,,\\x,,\r\n\
         3,\"NULL\",,,1e300\r\n4,\"\",,,-0\r\n"
    );
    assert_eq!(
        text(Format::Ndjson),
        "{\"id\":1,\"note\":\"café \\\"x\\\"\\n\",\"raw\":{\"hex\":\"00ff\"},\"price\":\"1.50\",\"f\":0.1}\n\
         {\"id\":2,\"note\":null,\"raw\":{\"hex\":\"\"},\"price\":null,\"f\":null}\n\
         {\"id\":3,\"note\":\"NULL\",\"raw\":null,\"price\":null,\"f\":1e300}\n\
         {\"id\":4,\"note\":\"\",\"raw\":null,\"price\":null,\"f\":-0}\n"
    );
    let dump = text(Format::Sql);
    assert!(dump.starts_with("-- Rows of `shop`.`or``ders ` by driftless archive.\nSET @driftless_mode"), "{dump}");
    let insert = "INSERT INTO `or``ders\n` (`id`, `note`, `raw`, `price`, `f`) VALUES\n";
    let values = "(1,_latin1 x'636166e9202278220a',x'00ff',1.50,1e-1),\n(2,NULL,x'',NULL,NULL),\n(3,_latin1'NULL',NULL,NULL,1e300),\n(4,_latin1'',NULL,NULL,-0e0);\n";
    assert!(dump.ends_with(&format!("{insert}{values}")), "{dump}");
}

#[test]
fn row_groups_are_many_and_read_as_one() {
    let columns = [super::sample::column("id", "int(11)", None, false), super::sample::column("v", "blob", None, true)];
    let layout = Layout::new(table(), &columns, vec![ident("id")], Format::Parquet, Compression::Zstd).unwrap();
    let files: Arc<dyn Files> = Arc::new(Memory::default());
    let row = |id: usize| Row(vec![Some(id.to_string().into_bytes()), (!id.is_multiple_of(3)).then(|| vec![7; 1500])]);
    let batches: Vec<Vec<Row>> = (0..20).map(|batch| (0..1000).map(|id| row(batch * 1000 + id)).collect()).collect();
    let path = write(&files, layout, &batches);
    let mut reader = Reader::open(files.as_ref(), &path).unwrap();
    for rows in &batches {
        assert_eq!(&reader.next().unwrap().unwrap().1, rows);
    }
    assert!(reader.next().unwrap().is_none());
}
