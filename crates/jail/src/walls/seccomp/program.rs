//! Filters as the kernel reads them: classic BPF over the number and the arguments of a call.

use std::collections::BTreeMap;
use std::io;

use libc::sock_filter;

use super::check::Check;

pub(super) const ARCHITECTURE: u32 = 0xC000_003E; // AUDIT_ARCH_X86_64
pub(super) const ALLOW: u32 = 0x7fff_0000;
pub(super) const KILL: u32 = 0x8000_0000;
pub(super) const ERRNO: u32 = 0x0005_0000;
/// The call waits until whoever listens has decided.
pub(super) const ASK: u32 = 0x7fc0_0000;

pub(super) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(super) const RETURN: u16 = 0x06; // BPF_RET | BPF_K
pub(super) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(super) const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(super) const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(super) const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
pub(super) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K

pub(super) const OFFSET_NUMBER: u32 = 0;
pub(super) const OFFSET_ARCHITECTURE: u32 = 4;
/// The lower half of argument `n`. Most arguments looked at are 32 bits wide in the kernel.
pub(super) const fn argument(n: u32) -> u32 {
    16 + 8 * n
}

pub(super) const fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}

/// What a filter says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Always this.
    Return(u32),
    /// It depends on the arguments.
    Check(Check),
}

pub(super) const fn load(offset: u32) -> sock_filter {
    sock_filter {
        code: LOAD,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

/// Keeps the bits of the mask of what was loaded.
pub(super) const fn and(mask: u32) -> sock_filter {
    sock_filter {
        code: AND,
        jt: 0,
        jf: 0,
        k: mask,
    }
}

pub(super) const fn give(verdict: u32) -> sock_filter {
    sock_filter {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: verdict,
    }
}

pub(super) const fn branch(code: u16, value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter {
        code,
        jt: yes,
        jf: no,
        k: value,
    }
}

/// The program: architecture, a binary search over ranges, then the checks of arguments. `others` is
/// for the numbers that have no verdict.
pub(super) fn assemble(
    verdicts: &BTreeMap<u32, Verdict>,
    others: Verdict,
) -> io::Result<Vec<sock_filter>> {
    let mut program = vec![
        load(OFFSET_ARCHITECTURE),
        branch(IF_EQUAL, ARCHITECTURE, 1, 0),
        give(KILL),
        load(OFFSET_NUMBER),
    ];
    let mut pending = Vec::new();
    search(&mut program, &ranges(verdicts, others), &mut pending)?;
    let mut placed: BTreeMap<Check, usize> = BTreeMap::new();
    for (at, check) in pending {
        let end = program.len();
        let start = *placed.entry(check).or_insert(end);
        if start == end {
            program.extend(check.code());
        }
        let jump = program.get_mut(at).ok_or(io::ErrorKind::InvalidData)?;
        jump.k = u32::try_from(start - at - 1).map_err(io::Error::other)?;
    }
    Ok(program)
}

/// First number of each range of equal verdicts, from 0 on, with the verdict.
fn ranges(verdicts: &BTreeMap<u32, Verdict>, others: Verdict) -> Vec<(u32, Verdict)> {
    let mut ranges = vec![(0, others)];
    let mut push = |first, verdict| {
        if ranges.last().is_some_and(|(at, _)| *at == first) {
            ranges.pop();
        }
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((first, verdict));
        }
    };
    for (number, verdict) in verdicts {
        push(*number, *verdict);
        push(number + 1, others);
    }
    ranges
}

fn search(
    program: &mut Vec<sock_filter>,
    ranges: &[(u32, Verdict)],
    pending: &mut Vec<(usize, Check)>,
) -> io::Result<()> {
    let middle = ranges.len() / 2;
    let (low, high) = ranges.split_at(middle);
    match (low, high) {
        ([], [(_, Verdict::Return(verdict)), ..]) => program.push(give(*verdict)),
        ([], [(_, Verdict::Check(check)), ..]) => {
            pending.push((program.len(), *check));
            program.push(sock_filter {
                code: JUMP,
                jt: 0,
                jf: 0,
                k: 0,
            });
        }
        (_, [(first, _), ..]) => {
            let at = program.len();
            // Jumps of a branch are 8 bits wide; a plain jump over the lower half is not.
            program.push(branch(IF_AT_LEAST, *first, 0, 1));
            program.push(sock_filter {
                code: JUMP,
                jt: 0,
                jf: 0,
                k: 0,
            });
            search(program, low, pending)?;
            let distance = u32::try_from(program.len() - at - 2).map_err(io::Error::other)?;
            if let Ok(near) = u8::try_from(distance) {
                // Near enough: the branch itself jumps, and the plain jump goes nowhere.
                if let Some(filter) = program.get_mut(at) {
                    filter.jt = near + 1;
                    filter.jf = 1;
                }
            }
            if let Some(filter) = program.get_mut(at + 1) {
                filter.k = distance;
            }
            search(program, high, pending)?;
        }
        (_, []) => return Err(io::ErrorKind::InvalidData.into()),
    }
    Ok(())
}
