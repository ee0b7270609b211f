//! Reads numbers off the front of bytes.

use super::error::DecodeError;

/// What is left of an event's bytes; every step checks that there is enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Bytes<'a> {
    /// `what` is named when there is not enough.
    pub(super) const fn new(rest: &'a [u8], what: &'static str) -> Self {
        Self { rest, what }
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    const fn short(&self) -> DecodeError {
        DecodeError::Length(self.what)
    }

    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.short())?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.short())?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A number of so many bytes, at most eight, lowest first.
    #[inline]
    pub(super) fn little(&mut self, length: usize) -> Result<u64, DecodeError> {
        let bytes = self.take(length)?;
        little(bytes).ok_or_else(|| self.short())
    }

    /// A number of the protocol's variable length; NULL (251) is none.
    ///
    /// # Source
    /// MySQL internals, "Length-Encoded Integer".
    pub(super) fn packed(&mut self) -> Result<u64, DecodeError> {
        match self.u8()? {
            small @ 0..=250 => Ok(u64::from(small)),
            252 => self.little(2),
            253 => self.little(3),
            254 => self.little(8),
            251 | 255 => Err(self.short()),
        }
    }

    /// The same, as a length of something in memory.
    pub(super) fn packed_length(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(self.packed()?).map_err(|_| self.short())
    }

    /// A byte's worth of length, the text, and a zero.
    pub(super) fn name(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::from(self.u8()?);
        let name = self.take(length)?;
        if self.u8()? == 0 { Ok(name) } else { Err(self.short()) }
    }
}

/// At most eight bytes as a number, lowest first.
#[inline]
pub(super) fn little(bytes: &[u8]) -> Option<u64> {
    let mut whole = [0; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(u64::from_le_bytes(whole))
}

/// At most eight bytes as a number, highest first.
#[inline]
pub(super) fn big(bytes: &[u8]) -> Option<u64> {
    let mut whole = [0; 8];
    let start = 8_usize.checked_sub(bytes.len())?;
    whole.get_mut(start..)?.copy_from_slice(bytes);
    Some(u64::from_be_bytes(whole))
}

/// Whether bit `index` is set, lowest bit of the first byte first.
#[inline]
pub(super) fn bit(bits: &[u8], index: usize) -> bool {
    bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}
