//! The memory of a sandbox, whose resident pages tell little: it maps what its program has from one file in
//! memory, and not always.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::super::proc::{kib, numbers, of_a_living_thread, read};
use super::files::BLOCK_BYTES;

/// What the file's name begins with, as the kernel shows descriptors.
const MEMORY: &str = "/memfd:runsc-memory";

/// What these processes of a sandbox have: pages of the program, and what its kernel keeps for it. Bytes.
pub(super) fn bytes(members: &[i32]) -> u64 {
    let of_program = members.iter().map(|pid| file_bytes(*pid)).max();
    // What has a copy of the kernel's own pages has none of its own.
    let of_kernel = members.iter().map(|pid| own_bytes(*pid)).sum::<u64>();
    of_program.unwrap_or(0) + of_kernel
}

fn file_bytes(pid: i32) -> u64 {
    let folder = format!("/proc/{pid}/fd");
    let largest = numbers(&folder)
        .map(|number| format!("{folder}/{number}"))
        .filter(|path| {
            fs::read_link(path).is_ok_and(|link| link.to_string_lossy().starts_with(MEMORY))
        })
        .filter_map(|path| fs::metadata(path).ok())
        .map(|file| file.blocks() * BLOCK_BYTES)
        .max();
    largest.unwrap_or(0)
}

fn own_bytes(pid: i32) -> u64 {
    of_a_living_thread(pid, |thread| {
        let status = read(&format!("{thread}/status"))?;
        let swapped = kib(&status, "VmSwap:").unwrap_or(0);
        Some(kib(&status, "RssAnon:")? + kib(&status, "VmPTE:")? + swapped)
    })
    .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::MemfdFlags;

    use super::*;

    #[test]
    fn a_sandbox_has_what_is_in_its_file_even_if_nobody_maps_it() {
        let own = i32::try_from(std::process::id()).unwrap();
        let before = bytes(&[own]);
        assert!(before > 0);
        let file = rustix::fs::memfd_create("runsc-memory", MemfdFlags::CLOEXEC).unwrap();
        let mut file = fs::File::from(file);
        file.write_all(&vec![1; 8 << 20]).unwrap();
        assert!(bytes(&[own]) >= 8 << 20);
    }
}
