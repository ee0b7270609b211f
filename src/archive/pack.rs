//! Compression: each batch is a frame (zstd) or a member (gzip) of its own, so that a file can be cut between batches and
//! still be read whole by the usual programs.

use std::io::{Read as _, Write as _};

use serde::{Deserialize, Serialize};

/// zstd's level: its default.
const ZSTD_LEVEL: i32 = 3;

/// Most bytes that a batch may unpack to: what a broken frame can cost.
const LARGEST: u64 = 4 << 30;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// zstd, with its checksum.
    Zstd,
}

impl Compression {
    /// One frame.
    pub(crate) fn pack(self, bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(bytes),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&bytes)?;
                encoder.finish()
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                encoder.write_all(&bytes)?;
                encoder.finish()
            }
        }
    }

    /// What a frame holds.
    pub(crate) fn unpack(self, frame: Vec<u8>) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Self::None => return Ok(frame),
            Self::Gzip => {
                flate2::read::MultiGzDecoder::new(frame.as_slice()).take(LARGEST).read_to_end(&mut bytes)?;
            }
            Self::Zstd => {
                zstd::Decoder::new(frame.as_slice())?.take(LARGEST).read_to_end(&mut bytes)?;
            }
        }
        Ok(bytes)
    }
}
