//! The server's side of the MySQL protocol, as far as an administrative interface goes.

use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The challenge of every handshake; a stand-in needs no secret one.
const SCRAMBLE: &[u8; 20] = b"abcdefghijklmnopqrst";
/// LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH; no TLS.
const CAPABILITIES: u32 = 0x0008_a20d;
const PLUGIN: &[u8] = b"mysql_native_password\0";

/// Reads one packet: its number and its payload.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let mut payload = vec![0; usize::try_from(length).expect("small")];
    stream.read_exact(&mut payload).await?;
    Ok((head[3], payload))
}

/// One packet with its head.
pub(super) fn framed(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_le_bytes();
    [&length[..3], &[number], payload].concat()
}

/// A string with its length before it.
fn counted(text: &[u8]) -> Vec<u8> {
    match u16::try_from(text.len()) {
        Ok(length @ 0..=250) => [&length.to_le_bytes()[..1], text].concat(),
        Ok(length) => [&[0xfc], &length.to_le_bytes()[..], text].concat(),
        Err(_) => panic!("a stand-in says nothing so long"),
    }
}

pub(super) fn ok(affected: u8) -> Vec<u8> {
    vec![0, affected, 0, 2, 0, 0, 0]
}

pub(super) fn error(code: u16, state: &str, message: &str) -> Vec<u8> {
    [&[0xff], &code.to_le_bytes()[..], b"#", state.as_bytes(), message.as_bytes()].concat()
}

/// All packets of a result, from number 1 on.
pub(super) fn rows(columns: &[String], rows: &[Vec<Option<String>>]) -> Vec<u8> {
    const END: [u8; 5] = [0xfe, 0, 0, 2, 0];
    let mut payloads = vec![vec![u8::try_from(columns.len()).expect("few columns")]];
    for name in columns {
        // Catalog, schema, table (twice), name (twice), then 12 bytes: utf8, length, VAR_STRING, no flags.
        let tail = [0x0c, 0x21, 0, 0, 4, 0, 0, 0xfd, 0, 0, 0, 0, 0];
        let name = counted(name.as_bytes());
        payloads.push([&counted(b"def")[..], &[0, 0, 0], &name, &name, &tail].concat());
    }
    payloads.push(END.to_vec());
    for row in rows {
        let cell = |value: &Option<String>| value.as_ref().map_or(vec![0xfb], |text| counted(text.as_bytes()));
        payloads.push(row.iter().flat_map(cell).collect());
    }
    payloads.push(END.to_vec());
    let number = |index: usize| u8::try_from(index % 256).expect("wraps");
    payloads.iter().enumerate().flat_map(|(index, payload)| framed(number(index + 1), payload)).collect()
}

/// Greets a client and checks who it is; `false` when it was turned away.
pub(super) async fn greet<S>(stream: &mut S, user: &str, password: &str) -> std::io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let capabilities = CAPABILITIES.to_le_bytes();
    let greeting = [
        &[10][..],
        b"8.0.11\0",
        &7_u32.to_le_bytes(),
        &SCRAMBLE[..8],
        &[0],
        &capabilities[..2],
        &[0x21, 2, 0],
        &capabilities[2..],
        &[21],
        &[0; 10],
        &SCRAMBLE[8..],
        &[0],
        PLUGIN,
    ]
    .concat();
    stream.write_all(&framed(0, &greeting)).await?;
    let (number, response) = read(stream).await?;
    let after = response.get(32..).unwrap_or_default();
    let end = after.iter().position(|byte| *byte == 0).unwrap_or(0);
    let (name, rest) = (&after[..end], after.get(end + 1..).unwrap_or_default());
    let length = usize::from(rest.first().copied().unwrap_or(0));
    let proof = rest.get(1..=length).unwrap_or_default();
    let good = name == user.as_bytes() && proof == expected(password);
    let said = String::from_utf8_lossy(name).into_owned();
    let answer = if good {
        ok(0)
    } else {
        error(1045, "28000", &format!("ProxySQL Error: Access denied for user '{said}'@'' (using password: YES)"))
    };
    stream.write_all(&framed(number + 1, &answer)).await?;
    Ok(good)
}

fn expected(password: &str) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password.as_bytes());
    let mut both = Sha1::new();
    both.update(SCRAMBLE);
    both.update(Sha1::digest(once));
    once.iter().zip(both.finalize()).map(|(one, other)| one ^ other).collect()
}
