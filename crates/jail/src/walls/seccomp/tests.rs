//! Every verdict, by running the filters' programs.

use super::program::{
    AND, ARCHITECTURE, IF_ANY_BIT, IF_AT_LEAST, IF_EQUAL, JUMP, KILL, LOAD, OFFSET_ARCHITECTURE,
    OFFSET_NUMBER, RETURN,
};
use super::*;

/// What the filter says to a call, by running its program.
fn verdict(program: &[sock_filter], architecture: u32, number: u32, args: [u32; 6]) -> u32 {
    let (mut at, mut value) = (0, 0);
    loop {
        let filter = program[at];
        at += 1;
        match filter.code {
            LOAD => {
                value = match filter.k {
                    OFFSET_NUMBER => number,
                    OFFSET_ARCHITECTURE => architecture,
                    // The upper halves of the arguments are zero.
                    offset if (offset - 16) % 8 == 4 => 0,
                    offset => args[usize::try_from((offset - 16) / 8).unwrap()],
                };
            }
            RETURN => return filter.k,
            JUMP => at += usize::try_from(filter.k).unwrap(),
            AND => value &= filter.k,
            code => {
                let yes = match code {
                    IF_EQUAL => value == filter.k,
                    IF_AT_LEAST => value >= filter.k,
                    IF_ANY_BIT => value & filter.k != 0,
                    _ => panic!("unknown code"),
                };
                at += usize::from(if yes { filter.jt } else { filter.jf });
            }
        }
    }
}

/// What both steps say together: the stricter verdict, as the kernel orders them.
fn both(filter: &Filter, architecture: u32, number: u32, args: [u32; 6]) -> u32 {
    let of = |program| verdict(program, architecture, number, args);
    let (zygote, unit) = (of(&filter.zygote), of(&filter.unit));
    if zygote.cast_signed() < unit.cast_signed() {
        zygote
    } else {
        unit
    }
}

fn number(call: i64) -> u32 {
    super::number(call).unwrap()
}

#[test]
fn every_number_gets_the_verdict_of_the_list() {
    let list = parse(LIST).unwrap();
    let filter = Filter::compile(Tier::Native, true).unwrap();
    for number in (0..2000).chain([X32, X32 + 1, u32::MAX]) {
        let got = both(&filter, ARCHITECTURE, number, [1; 6]);
        match list.get(&number).copied().unwrap_or(UNKNOWN) {
            Verdict::Return(expected) => assert_eq!(got, expected, "call {number}"),
            Verdict::Check(check) => {
                let expected = verdict(&check.code(), 0, 0, [1; 6]);
                assert_eq!(got, expected, "call {number}");
            }
        }
    }
}

#[test]
fn the_second_step_shuts_out_what_the_first_lets_through() {
    let filter = Filter::compile(Tier::Native, true).unwrap();
    let entering = ENTERING.map(number);
    for call in (0..2000).filter(|call| *call != number(libc::SYS_prctl)) {
        let of = |program| verdict(program, ARCHITECTURE, call, [1; 6]);
        if entering.contains(&call) {
            assert_eq!(of(&filter.zygote), ALLOW, "call {call}");
            assert_ne!(of(&filter.unit), ALLOW, "call {call}");
        } else {
            assert_eq!(of(&filter.unit), ALLOW, "call {call}");
        }
    }
    // It is installed in every unit.
    assert!(filter.unit.len() < 100, "{}", filter.unit.len());
}

#[test]
fn in_a_sandbox_no_number_is_the_holders_and_nothing_else_differs() {
    let native = Filter::compile(Tier::Native, true).unwrap();
    let sandbox = Filter::compile(Tier::Gvisor, true).unwrap();
    let holder = [HOLDER.unsigned_abs(), 1, 1, 1, 1, 1];
    for call in 0..2000 {
        let of = |filter| both(filter, ARCHITECTURE, call, holder);
        if NOT_THE_HOLDER.map(number).contains(&call) {
            assert_eq!(of(&sandbox), ALLOW, "call {call}");
            assert_ne!(of(&native), ALLOW, "call {call}");
        } else {
            assert_eq!(of(&sandbox), of(&native), "call {call}");
        }
    }
}

#[test]
fn on_the_hosts_files_and_processes_more_is_refused() {
    let filter = Filter::compile(Tier::Landlock, false).unwrap();
    let call = |call, first| {
        let args = [first, 0, 0, 0, 0, 0];
        both(&filter, ARCHITECTURE, number(call), args)
    };
    let refused = ERRNO | errno(libc::EPERM);
    for name in SHARED_REFUSED {
        assert_eq!(call(name, 0), refused, "call {name}");
    }
    for name in SHARED_UNKNOWN {
        let unknown = ERRNO | errno(libc::ENOSYS);
        assert_eq!(call(name, 0), unknown, "call {name}");
    }
    for (option, expected) in [(1, refused), (4, refused), (15, ALLOW), (39, ALLOW)] {
        assert_eq!(call(libc::SYS_prctl, option), expected, "prctl {option}");
    }
    for mode in 0..4 {
        let refused = if mode == 3 {
            ERRNO | errno(libc::EACCES)
        } else {
            ALLOW
        };
        let args = |flags| [0, flags, flags, 0, 0, 0];
        for name in [libc::SYS_open, libc::SYS_openat] {
            let flags = mode | libc::O_CREAT.unsigned_abs();
            assert_eq!(
                both(&filter, ARCHITECTURE, number(name), args(flags)),
                refused
            );
        }
    }
    assert_eq!(call(libc::SYS_sched_setaffinity, 0), ALLOW);
    assert_eq!(call(libc::SYS_sched_setaffinity, 1), refused);
    let asks = |call, args| verdict(&filter.asks, ARCHITECTURE, number(call), args);
    for name in ASKED {
        assert_eq!(asks(name, [0; 6]), ASK, "call {name}");
    }
    assert_eq!(asks(libc::SYS_read, [0; 6]), ALLOW);
}

#[test]
fn no_process_of_ours_is_moved() {
    let filter = Filter::compile(Tier::Native, true).unwrap();
    let moved = |pid: i32| {
        let args = [pid.unsigned_abs(), 0, 0, 0, 0, 0];
        both(
            &filter,
            ARCHITECTURE,
            number(libc::SYS_sched_setaffinity),
            args,
        )
    };
    assert_eq!(moved(1), ERRNO | errno(libc::EPERM));
    assert_eq!(moved(HOLDER), ERRNO | errno(libc::ESRCH));
    assert_eq!([moved(0), moved(2), moved(4)], [ALLOW; 3]);
}

#[test]
fn another_architecture_is_killed() {
    let filter = Filter::compile(Tier::Native, true).unwrap();
    assert_eq!(both(&filter, 0x4000_0003, 1, [0; 6]), KILL);
}

#[test]
fn clone_makes_threads_and_processes_but_no_namespaces() {
    let filter = Filter::compile(Tier::Native, true).unwrap();
    let call = |flags| {
        both(
            &filter,
            ARCHITECTURE,
            number(libc::SYS_clone),
            [flags, 0, 0, 0, 0, 0],
        )
    };
    assert_eq!(call(0x003d_0f00), ALLOW); // pthread_create
    assert_eq!(call(0x0120_0011), ALLOW); // fork
    for bit in [
        0x0000_8000,
        0x0002_0000,
        0x0200_0000,
        0x0400_0000,
        0x0800_0000,
        0x1000_0000,
        0x2000_0000,
    ] {
        assert_eq!(call(bit | 17), ERRNO | errno(libc::EPERM));
    }
}

#[test]
fn mknod_makes_fifos_and_files_but_no_devices() {
    let filter = Filter::compile(Tier::Native, true).unwrap();
    let call = |mode| {
        both(
            &filter,
            ARCHITECTURE,
            number(libc::SYS_mknod),
            [0, mode, 0, 0, 0, 0],
        )
    };
    for mode in [0o644, libc::S_IFREG | 0o644, libc::S_IFIFO | 0o644] {
        assert_eq!(call(mode), ALLOW);
    }
    for mode in [libc::S_IFCHR, libc::S_IFBLK, libc::S_IFSOCK, libc::S_IFDIR] {
        assert_eq!(call(mode | 0o644), ERRNO | errno(libc::EPERM));
    }
}

#[test]
fn there_are_no_sockets_but_unix_pairs() {
    let filter = Filter::compile(Tier::Native, true).unwrap();
    let call = |call, domain, kind| {
        both(
            &filter,
            ARCHITECTURE,
            number(call),
            [domain, kind, 0, 0, 0, 0],
        )
    };
    let refused = ERRNO | errno(libc::EAFNOSUPPORT);
    for domain in 0..50 {
        assert_eq!(call(libc::SYS_socket, domain, 1), refused);
        for kind in 0..8 {
            let pair = domain == 1 && (kind == 1 || kind == 5);
            let expected = if pair { ALLOW } else { refused };
            assert_eq!(call(libc::SYS_socketpair, domain, kind), expected);
            assert_eq!(call(libc::SYS_socketpair, domain, kind | 0x80800), expected);
        }
    }
}

#[test]
fn no_lease_is_taken_and_no_buffer_grows() {
    let filter = Filter::compile(Tier::Native, true).unwrap();
    let call = |call, args| both(&filter, ARCHITECTURE, number(call), args);
    for command in [8, 10, 15, 1024, 1026] {
        let verdict = call(libc::SYS_fcntl, [0, command, 0, 0, 0, 0]);
        assert_eq!(verdict, ERRNO | errno(libc::EINVAL), "fcntl {command}");
    }
    for option in [7, 8, 16, 26, 32, 33, 50] {
        let verdict = call(libc::SYS_setsockopt, [0, 1, option, 0, 0, 0]);
        assert_eq!(verdict, ERRNO | errno(libc::EPERM), "option {option}");
    }
    assert_eq!(call(libc::SYS_fcntl, [0, 1030, 0, 0, 0, 0]), ALLOW);
}

#[test]
fn what_is_sent_on_a_pair_goes_to_its_other_end() {
    let filter = Filter::compile(Tier::Native, true).unwrap();
    let call = |address| {
        let args = [3, 0, 1, 0, address, 0];
        both(&filter, ARCHITECTURE, number(libc::SYS_sendto), args)
    };
    assert_eq!(call(0), ALLOW);
    assert_eq!(call(0x1000), ERRNO | errno(libc::EPERM));
}

#[test]
fn every_line_has_a_reason() {
    assert!(parse(LIST).unwrap().len() > 220);
    parse("allow read").unwrap_err();
    parse("allow no_such_call because").unwrap_err();
    parse("allow read twice\nallow read twice").unwrap_err();
}

#[test]
fn huge_pages_that_a_host_keeps_apart_are_not_to_be_had() {
    for counts_all in [true, false] {
        let filter = Filter::compile(Tier::Native, counts_all).unwrap();
        let call = |bytes, flags: i32| {
            let args = [0, bytes, 3, flags.unsigned_abs(), 0, 0];
            both(&filter, ARCHITECTURE, number(libc::SYS_mmap), args)
        };
        for kind in [libc::MAP_PRIVATE, libc::MAP_SHARED] {
            let of_many_sizes = [0, libc::MAP_HUGE_2MB, libc::MAP_HUGE_1GB];
            for size in of_many_sizes {
                let flags = kind | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | size;
                assert_eq!(call(4096, flags), ERRNO | errno(libc::ENOMEM));
            }
            assert_eq!(call(4096, kind | libc::MAP_ANONYMOUS), ALLOW);
        }
    }
}

#[test]
fn on_a_shared_host_a_run_has_no_clock_of_others() {
    let filter = Filter::compile(Tier::Landlock, false).unwrap();
    let call = |call, clock: i32| {
        let args = [clock.cast_unsigned(), 0, 0, 0, 0, 0];
        both(&filter, ARCHITECTURE, number(call), args)
    };
    for call_number in CLOCKS {
        for clock in [libc::CLOCK_MONOTONIC, libc::CLOCK_PROCESS_CPUTIME_ID, 11] {
            assert_eq!(call(call_number, clock), ALLOW);
        }
        // Process 0 and thread 0.
        for clock in [-6, -2] {
            assert_eq!(call(call_number, clock), ALLOW);
        }
        for clock in [!1 << 3 | 2, !4_000_000 << 3 | 6, i32::MIN] {
            assert_eq!(call(call_number, clock), ERRNO | errno(libc::EINVAL));
        }
    }
}

#[test]
fn no_run_has_the_disk_work() {
    let everywhere = [Tier::Native, Tier::Landlock, Tier::Gvisor];
    for tier in everywhere {
        let filter = Filter::compile(tier, true).unwrap();
        let call = |call, args| both(&filter, ARCHITECTURE, number(call), args);
        let open = |flags: i32| {
            let flags = flags.unsigned_abs();
            let at = call(libc::SYS_openat, [0, 0, flags, 0, 0, 0]);
            assert_eq!(call(libc::SYS_open, [0, flags, 0, 0, 0, 0]), at);
            at
        };
        let invalid = ERRNO | errno(libc::EINVAL);
        for mode in [libc::O_RDONLY, libc::O_WRONLY | libc::O_CREAT, libc::O_RDWR] {
            assert_eq!(open(mode | libc::O_CLOEXEC), ALLOW);
            assert_eq!(open(mode | libc::O_DIRECT), invalid);
            // Only there are a run's files on a disk.
            let through = if tier == Tier::Landlock {
                invalid
            } else {
                ALLOW
            };
            assert_eq!(open(mode | libc::O_SYNC), through);
            assert_eq!(open(mode | libc::O_DSYNC), through);
        }
        assert_eq!(call(libc::SYS_openat2, [0; 6]), ERRNO | errno(libc::ENOSYS));
        let set = |flags: i32| call(libc::SYS_fcntl, [0, 4, flags.unsigned_abs(), 0, 0, 0]);
        assert_eq!(set(libc::O_NONBLOCK | libc::O_APPEND), ALLOW);
        assert_eq!(set(libc::O_DIRECT), invalid);
        // A descriptor to copy to, not flags.
        let copy = [0, 0, libc::O_DIRECT.unsigned_abs(), 0, 0, 0];
        assert_eq!(call(libc::SYS_fcntl, copy), ALLOW);
        for done in [
            libc::SYS_fsync,
            libc::SYS_fdatasync,
            libc::SYS_sync_file_range,
        ] {
            assert_eq!(call(done, [1; 6]), ERRNO);
        }
        let msync = |flags: i32| call(libc::SYS_msync, [0, 0, flags.unsigned_abs(), 0, 0, 0]);
        assert_eq!(msync(libc::MS_ASYNC), ALLOW);
        assert_eq!(msync(libc::MS_SYNC), ERRNO);
        let pwritev2 = |flags: i32| call(libc::SYS_pwritev2, [0, 0, 0, 0, 0, flags.unsigned_abs()]);
        assert_eq!(pwritev2(libc::RWF_APPEND), ALLOW);
        for flag in [libc::RWF_DSYNC, libc::RWF_SYNC, libc::RWF_DONTCACHE] {
            assert_eq!(pwritev2(flag), ERRNO | errno(libc::EOPNOTSUPP));
        }
    }
}

#[test]
fn no_pages_are_merged_and_none_put_out() {
    let filter = Filter::compile(Tier::Native, true).unwrap();
    let call = |advice: i32| {
        let args = [0, 4096, advice.unsigned_abs(), 0, 0, 0];
        both(&filter, ARCHITECTURE, number(libc::SYS_madvise), args)
    };
    for advice in [libc::MADV_MERGEABLE, libc::MADV_COLD, libc::MADV_PAGEOUT] {
        assert_eq!(call(advice), ERRNO | errno(libc::EINVAL));
    }
    for advice in [libc::MADV_DONTNEED, libc::MADV_HUGEPAGE, libc::MADV_FREE] {
        assert_eq!(call(advice), ALLOW);
    }
}
