//! How preview 1 lays its records out in the guest's memory.

use std::cell::Cell;

/// Bytes of a path, as on Linux.
const LONGEST_PATH: u32 = 4096;

/// The error numbers that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Errno {
    BadF = 8,
    Exist = 20,
    Fault = 21,
    FBig = 22,
    Inval = 28,
    Io = 29,
    IsDir = 31,
    NFile = 41,
    NameTooLong = 37,
    NoEnt = 44,
    NotDir = 54,
    NotSup = 58,
    Perm = 63,
    Rofs = 69,
    SPipe = 70,
}

/// What a descriptor or a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Stream = 2,
    Folder = 3,
    File = 4,
}

/// The guest's memory. Every access is checked; a bad pointer is the guest's fault and told as such.
pub(crate) struct Memory<'a> {
    bytes: &'a mut [u8],
    handled: Cell<u64>,
}

impl<'a> Memory<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, handled: Cell::new(0) }
    }

    /// How many bytes calls asked for in one piece.
    pub(crate) fn handled(&self) -> u64 {
        self.handled.get()
    }

    pub(crate) fn slice(&self, at: u32, len: u32) -> Result<&[u8], Errno> {
        let at = at as usize;
        let slice = self.bytes.get(at..at + len as usize).ok_or(Errno::Fault)?;
        self.handled.set(self.handled.get() + u64::from(len));
        Ok(slice)
    }

    pub(crate) fn slice_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Errno> {
        let at = at as usize;
        let slice = self.bytes.get_mut(at..at + len as usize).ok_or(Errno::Fault)?;
        self.handled.set(self.handled.get() + u64::from(len));
        Ok(slice)
    }

    fn array<const N: usize>(&self, at: u32) -> Result<[u8; N], Errno> {
        let at = at as usize;
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Errno::Fault)
    }

    fn put<const N: usize>(&mut self, at: u32, bytes: [u8; N]) -> Result<(), Errno> {
        let at = at as usize;
        *self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()).ok_or(Errno::Fault)? = bytes;
        Ok(())
    }

    pub(crate) fn u8(&self, at: u32) -> Result<u8, Errno> {
        self.array(at).map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&self, at: u32) -> Result<u16, Errno> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&self, at: u32) -> Result<u32, Errno> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&self, at: u32) -> Result<u64, Errno> {
        self.array(at).map(u64::from_le_bytes)
    }

    pub(crate) fn put_u8(&mut self, at: u32, value: u8) -> Result<(), Errno> {
        self.put(at, [value])
    }

    pub(crate) fn put_u32(&mut self, at: u32, value: u32) -> Result<(), Errno> {
        self.put(at, value.to_le_bytes())
    }

    pub(crate) fn put_u64(&mut self, at: u32, value: u64) -> Result<(), Errno> {
        self.put(at, value.to_le_bytes())
    }

    /// A text that the guest hands over: a path.
    pub(crate) fn text(&self, at: u32, len: u32) -> Result<&str, Errno> {
        if len > LONGEST_PATH {
            return Err(Errno::NameTooLong);
        }
        std::str::from_utf8(self.slice(at, len)?).map_err(|_| Errno::Inval)
    }

    /// Pairs of address and length. Their total fits the 32 bits in which a call counts bytes.
    pub(crate) fn vectors(&self, at: u32, n: u32) -> Result<Vec<(u32, u32)>, Errno> {
        let bytes = self.slice(at, n.checked_mul(8).ok_or(Errno::Inval)?)?;
        // Walking a list costs more than copying bytes.
        self.handled.set(self.handled.get() + u64::from(n) * 24);
        let word = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let vectors: Vec<_> = bytes.chunks_exact(8).map(|pair| (word(&pair[..4]), word(&pair[4..]))).collect();
        vectors.iter().try_fold(0u32, |sum, (_, len)| sum.checked_add(*len)).ok_or(Errno::Inval)?;
        Ok(vectors)
    }

    /// How many strings there are, and how long they are with their ends.
    pub(crate) fn put_sizes(&mut self, count: u32, size: u32, strings: &[String]) -> Result<(), Errno> {
        self.put_u32(count, strings.len() as u32)?;
        self.put_u32(size, strings.iter().map(|s| s.len() as u32 + 1).sum())
    }

    /// The addresses of strings, and the strings.
    pub(crate) fn put_strings(&mut self, mut list: u32, mut text: u32, strings: &[String]) -> Result<(), Errno> {
        for string in strings {
            self.put_u32(list, text)?;
            self.slice_mut(text, string.len() as u32)?.copy_from_slice(string.as_bytes());
            text = text.checked_add(string.len() as u32).ok_or(Errno::Fault)?;
            self.put_u8(text, 0)?;
            text = text.checked_add(1).ok_or(Errno::Fault)?;
            list = list.checked_add(4).ok_or(Errno::Fault)?;
        }
        Ok(())
    }

    /// What is known of a file. Times are 0: nothing here has a history.
    pub(crate) fn put_filestat(&mut self, at: u32, kind: Kind, size: u64, inode: u64) -> Result<(), Errno> {
        self.slice_mut(at, 64)?.fill(0);
        self.put_u64(at + 8, inode)?;
        self.put_u8(at + 16, kind as u8)?;
        self.put_u64(at + 24, 1)?;
        self.put_u64(at + 32, size)
    }
}

/// A number for a path, the same in every run.
pub(crate) fn inode(path: &str) -> u64 {
    // FNV-1a: two files that seem to be one would confuse a guest, so the number is spread over 64 bits.
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// A folder's entries from `cookie` on, as records.
pub(crate) fn directory(entries: &[(String, bool)], cookie: u64) -> Vec<u8> {
    let mut listing = Vec::new();
    for (next, (name, folder)) in (1u64..).zip(entries) {
        if next <= cookie {
            continue;
        }
        listing.extend(next.to_le_bytes());
        listing.extend(inode(name).to_le_bytes());
        listing.extend((name.len() as u32).to_le_bytes());
        listing.extend([if *folder { Kind::Folder } else { Kind::File } as u8, 0, 0, 0]);
        listing.extend(name.as_bytes());
    }
    listing
}
