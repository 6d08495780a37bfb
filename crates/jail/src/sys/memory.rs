//! An interpreter's memory, arranged so that forking it costs little.
//!
//! A fork copies a page-table entry for every page of private memory, and its end takes each back:
//! 0.1 µs either way (Linux 6.18, a virtual machine), for thousands of pages. A huge page is one
//! entry for 512. So the interpreter's arenas lie together, aligned, and are made huge once they
//! hold what all forks share: fork and exit of an interpreter with every library went from 2.8 to
//! 1.35 ms, of one with the core modules from 0.91 to 0.68 ms. Small pages that are left are [put together](folios) in large
//! folios, whose entries the kernel copies in batches. What every unit writes to is [pinned](pins), so that the fork copies it;
//! data that few of them use is a [file's](filed), of which it copies nothing.
//!
//! Of a file's pages a fork copies no entries, and then meets a fault for every sixteen that it
//! touches, eighty in all. The kernel does copy them where the mapping has a page of its own, so
//! each mapping that every program uses is given one. Code that fills huge pages is copied to some of our own: in the
//! interpreter's library that is two entries instead of a thousand. (A debugger or a probe that looks for a file's
//! code finds none there.)
//!
//! Each mapping itself costs a fork a microsecond, and its end half of one; a library has three
//! for what is not written, which differ in that one may be executed. With all three executable they
//! are one; and two for what is written, of which one was made read-only once the library was loaded.
//! Programs can run machine code of their own anyway: that is what the walls are for.
//!
//! Where the kernel has no huge pages the rest still holds, and nothing fails.

use std::ffi::c_void;
use std::io::Write;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io, ptr};

use super::SingleThread;

mod filed;
mod folios;
mod pagemap;
mod pins;

pub use filed::file_away;
pub use pagemap::{code_of_files, code_touched, pages_written, private_memory};
pub use pins::{PAGES_PINNED_MAX, Pins};

/// Size of a huge page. Bytes; the same on x86-64 and on ARM with pages of 4 KiB.
const HUGE: usize = 2 << 20;
/// Size of a page. Bytes.
const PAGE: usize = 4 << 10;
/// Pages in a huge one.
const PAGES: usize = HUGE / PAGE;
/// How many pages must be in use for a huge one to be worth it, where a fork writes to a few of them: it is broken up
/// then, which costs what copying and taking back some 420 entries does, and takes the rest of its memory for nothing.
const WORTH_HUGE: usize = PAGES * 3 / 4;
/// Room for arenas before the zygote is settled. Bytes of address space; the rest is given back.
const REGION: usize = 128 << 20;

/// Where the next arena goes, and where the region ends; no room when both are the same.
static NEXT: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
/// Where the region begins.
static START: AtomicUsize = AtomicUsize::new(0);

/// `PyObjectArenaAllocator` of CPython.
#[repr(C)]
struct ArenaAllocator {
    context: *mut c_void,
    allocate: extern "C" fn(*mut c_void, usize) -> *mut c_void,
    free: extern "C" fn(*mut c_void, *mut c_void, usize),
}

/// Lets the interpreter of this process put its arenas together from here on.
///
/// Does nothing where the process is no CPython.
///
/// # Errors
///
/// The kernel's, for want of address space.
pub fn gather_arenas() -> io::Result<()> {
    // SAFETY: a null handle and a C string; it returns the address of a symbol, or null.
    let set = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"PyObject_SetArenaAllocator".as_ptr()) };
    if set.is_null() {
        return Ok(());
    }
    raise_mmap_threshold();
    let start = map(REGION + HUGE, libc::PROT_NONE)?.next_multiple_of(HUGE);
    // The unused ends cost nothing but a number in a list.
    advise(start, REGION, libc::MADV_HUGEPAGE);
    START.store(start, Ordering::Relaxed);
    NEXT.store(start, Ordering::Relaxed);
    END.store(start + REGION, Ordering::Relaxed);
    let allocator = ArenaAllocator {
        context: ptr::null_mut(),
        allocate: allocate_arena,
        free: free_arena,
    };
    type Set = unsafe extern "C" fn(*const ArenaAllocator);
    // SAFETY: CPython's symbol of this name is a function of this type, unchanged since 3.4.
    let set = unsafe { std::mem::transmute::<*mut c_void, Set>(set) };
    // SAFETY: it copies the struct, which has the layout of its own, before it returns. The caller
    // holds the interpreter's lock, since it was called from Python without giving it up.
    unsafe { set(&raw const allocator) };
    Ok(())
}

/// Makes what this process has in memory so far cheap to fork, and puts new arenas where CPython would.
///
/// Memory that a fork allocates later comes in small pages: a huge one would be cleared as a whole. Ends the process
/// if moving its memory fails half-way. Says where the huge pages begin, in order.
///
/// # Errors
///
/// Where code could not be made read-only again; the process must end then.
pub fn settle_memory(_proof: SingleThread) -> io::Result<Vec<usize>> {
    close_region();
    extend_heap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mappings: Vec<_> = maps.lines().filter_map(Mapping::read).collect();
    let huge = make_huge(&mappings);
    join(&mappings);
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mappings: Vec<_> = maps.lines().filter_map(Mapping::read).collect();
    folios::put_together(&mappings, &huge);
    let of_all = files_used_by_all(&mappings);
    for mapping in mappings.iter().filter(|m| of_all.contains(&m.name)) {
        mapping.take_a_page()?;
        mapping.take_huge_pages();
    }
    Ok(huge)
}

fn close_region() {
    let (next, end) = (NEXT.load(Ordering::Relaxed), END.load(Ordering::Relaxed));
    END.store(next, Ordering::Relaxed);
    if next < end {
        let unused = next.next_multiple_of(HUGE);
        // SAFETY: the end of the region, of which no arena was handed out and none will be.
        unsafe { libc::munmap(unused as *mut c_void, end - unused) };
    }
}

/// Lets large blocks come from the heap, where they lie side by side, and not from a mapping each.
///
/// The C library does so by itself once a block as large, which was a mapping of its own, has been let go.
fn raise_mmap_threshold() {
    allocate_once(2 * HUGE);
}

/// Lets the heap end beyond the huge page in which its use ends, so that this one can be made huge.
fn extend_heap() {
    // Smaller than the block that raised the threshold, so that it comes from the heap.
    allocate_once(2 * HUGE - (64 << 10));
}

fn allocate_once(bytes: usize) {
    // SAFETY: any size may be asked for.
    let block = unsafe { libc::malloc(bytes) };
    // SAFETY: it came from the allocator, or is null.
    unsafe { libc::free(std::hint::black_box(block)) };
}

/// Makes the pages huge that are worth it: where these begin, in order.
fn make_huge(mappings: &[Mapping<'_>]) -> Vec<usize> {
    let mut huge = Vec::new();
    for own in mappings.iter().filter(|mapping| mapping.is_own()) {
        let mut at = own.from.next_multiple_of(HUGE);
        while at + HUGE <= own.to {
            let pages = pages_of(at);
            let used = pages.iter().filter(|page| **page == Page::Used);
            if used.count() < WORTH_HUGE {
                give_back_empty(at, &pages);
            } else if advise(at, HUGE, libc::MADV_COLLAPSE) {
                huge.push(at);
            }
            at += HUGE;
        }
    }
    huge
}

/// A page of what could be a huge one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// Nobody has touched it.
    Missing,
    /// It is there, and all zeroes.
    Empty,
    Used,
}

/// What is in the pages of a huge one, which may be read.
fn pages_of(at: usize) -> [Page; PAGES] {
    // Not in the heap, where something may be written between here and what is done with what is found.
    let mut resident = [1_u8; PAGES];
    note_resident(at, &mut resident);
    let mut from = at;
    resident.map(|resident| {
        // SAFETY: memory of this process that may be read, for as long as nothing else runs in it.
        let bytes = unsafe { std::slice::from_raw_parts(from as *const u8, PAGE) };
        from += PAGE;
        match resident & 1 {
            0 => Page::Missing,
            _ if bytes.iter().all(|byte| *byte == 0) => Page::Empty,
            _ => Page::Used,
        }
    })
}

/// Sets the lowest bit for each page from here on that is there, and clears it for others; changes nothing where the kernel
/// does not say.
fn note_resident(from: usize, pages: &mut [u8]) {
    let bytes = pages.len() * PAGE;
    // SAFETY: it writes a byte for each page.
    unsafe { libc::mincore(from as *mut c_void, bytes, pages.as_mut_ptr()) };
}

/// Lets the kernel have the pages back that are all zeroes: whoever reads there reads zeroes again.
fn give_back_empty(at: usize, pages: &[Page]) {
    for (index, page) in pages.iter().enumerate() {
        if *page == Page::Empty {
            let at = (at + index * PAGE) as *mut c_void;
            // SAFETY: these are zeroes, and nothing has run since that was seen.
            unsafe { libc::madvise(at, PAGE, libc::MADV_DONTNEED) };
        }
    }
}

/// Makes what lies in a file before and after its code one mapping with the code, and what was written once, as the
/// file was loaded, one with what is still written.
fn join(mappings: &[Mapping<'_>]) {
    for parts in mappings.windows(2) {
        let [first, second] = parts else { continue };
        if !first.goes_on_in(second) {
            continue;
        }
        let (other, mode) = match (first.mode, second.mode) {
            ("r--p", "r-xp") => (first, libc::PROT_READ | libc::PROT_EXEC),
            ("r-xp", "r--p") => (second, libc::PROT_READ | libc::PROT_EXEC),
            ("r--p", "rw-p") => (first, libc::PROT_READ | libc::PROT_WRITE),
            _ => continue,
        };
        let (at, bytes) = (other.from as *mut c_void, other.bytes());
        // SAFETY: what could be read can be read; the rest of a file that may be executed may be, too; and nothing
        // writes to what may be written from here on that did not before.
        // Where the host's policy refuses it, forks cost what they did.
        unsafe { libc::mprotect(at, bytes, mode) };
    }
}

/// The files that every program uses: the interpreter, the C library, ourselves.
fn files_used_by_all<'a>(mappings: &[Mapping<'a>]) -> Vec<&'a str> {
    let names = [c"PyObject_SetArenaAllocator", c"malloc"];
    // SAFETY: a null handle and C strings; it returns the address of a symbol, or null.
    let symbols = names.map(|name| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) });
    // Any constant of ours lies in the same file.
    let own = ptr::from_ref(&HUGE).cast_mut().cast();
    let addresses = symbols.into_iter().chain([own]);
    addresses
        .map(|at: *mut c_void| at as usize)
        .filter_map(|at| mappings.iter().find(|m| (m.from..m.to).contains(&at)))
        .map(|mapping| mapping.name)
        .collect()
}

/// A line of `/proc/self/maps`.
#[derive(Debug)]
struct Mapping<'a> {
    from: usize,
    to: usize,
    mode: &'a str,
    /// Where in its file it begins.
    offset: usize,
    name: &'a str,
}

impl<'a> Mapping<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (range, mode) = (words.next()?, words.next()?);
        let (from, to) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some(Self {
            from: number(from)?,
            to: number(to)?,
            mode,
            offset: number(words.next()?)?,
            // Behind device and inode.
            name: words.nth(2).unwrap_or_default(),
        })
    }

    const fn bytes(&self) -> usize {
        self.to - self.from
    }

    /// Whether another one is what comes next in the same file.
    fn goes_on_in(&self, next: &Self) -> bool {
        self.name.starts_with('/')
            && self.name == next.name
            && self.to == next.from
            && self.offset + self.bytes() == next.offset
    }

    /// Whether it is nobody else's and no file's.
    fn is_own(&self) -> bool {
        self.mode == "rw-p" && matches!(self.name, "" | "[heap]")
    }

    /// Whether it is a file's, and this process may write to it, which nobody else sees.
    fn is_data(&self) -> bool {
        self.mode == "rw-p" && self.name.starts_with('/')
    }

    /// Whether it is the code of a file.
    fn is_code(&self) -> bool {
        self.mode == "r-xp" && self.name.starts_with('/')
    }

    /// Whether this process writes to it, which nobody else sees; not the stack.
    fn is_written(&self) -> bool {
        self.is_own() || self.is_data()
    }

    /// Puts copies in huge pages of our own in the place of the code that fills such.
    ///
    /// Where there is no memory for huge pages, or the host's policy refuses it, forks cost what they did.
    fn take_huge_pages(&self) {
        let (from, to) = (self.from.next_multiple_of(HUGE), self.to / HUGE * HUGE);
        if self.mode != "r-xp" || from >= to {
            return;
        }
        let bytes = to - from;
        let Some(room) = HugeRoom::make(bytes) else {
            return;
        };
        let copy = room.start as *mut u8;
        // SAFETY: these bytes may be read, and as many written in a new mapping.
        unsafe { ptr::copy_nonoverlapping(from as *const u8, copy, bytes) };
        let mode = libc::PROT_READ | libc::PROT_EXEC;
        // SAFETY: nobody else knows of this mapping.
        if unsafe { libc::mprotect(copy.cast(), bytes, mode) } == 0 {
            // SAFETY: it holds what is there, and may be read and executed as that may.
            unsafe { move_over(room.start, bytes, from) };
        }
    }

    /// Gives a read-only mapping of a file one page that is not the file's.
    fn take_a_page(&self) -> io::Result<()> {
        let mode = match self.mode {
            "r-xp" => libc::PROT_READ | libc::PROT_EXEC,
            "r--p" => libc::PROT_READ,
            _ => return Ok(()),
        };
        let (at, bytes) = (self.from as *mut c_void, self.bytes());
        // SAFETY: a private mapping of this process stays as it is but for the right to write to it,
        // which is taken back below.
        if unsafe { libc::mprotect(at, bytes, mode | libc::PROT_WRITE) } != 0 {
            // Sealed, or the host's policy: forks cost what they did.
            return Ok(());
        }
        let first = at.cast::<u8>();
        // SAFETY: a byte of a mapping that may be read.
        let value = unsafe { first.read_volatile() };
        // SAFETY: it may be written, too, keeps its value, and no other thread is there to see it.
        unsafe { first.write_volatile(value) };
        // SAFETY: as above.
        match unsafe { libc::mprotect(at, bytes, mode) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// New memory in huge pages. What has not been moved elsewhere is given back with it.
struct HugeRoom {
    start: usize,
    mapped: Range<usize>,
}

impl HugeRoom {
    /// So many bytes, a multiple of [`HUGE`]; `None` where the kernel has no memory for that, or no huge pages.
    fn make(bytes: usize) -> Option<Self> {
        let from = map(bytes + HUGE, libc::PROT_READ | libc::PROT_WRITE).ok()?;
        let room = Self {
            start: from.next_multiple_of(HUGE),
            mapped: from..from + bytes + HUGE,
        };
        let is_huge = advise(room.start, bytes, libc::MADV_POPULATE_WRITE)
            && advise(room.start, bytes, libc::MADV_COLLAPSE);
        is_huge.then_some(room)
    }
}

impl Drop for HugeRoom {
    fn drop(&mut self) {
        let bytes = self.mapped.len();
        // SAFETY: nobody else knows of it, and nothing has been mapped since in the place of what has moved.
        unsafe { libc::munmap(self.mapped.start as *mut c_void, bytes) };
    }
}

/// Puts pages in the place of others that hold the same.
///
/// Ends the process if that fails: what was there may be gone, and with it whoever called.
///
/// # Safety
///
/// So many bytes at `from` are the caller's alone, and have the content and the mode of those at `to`.
unsafe fn move_over(from: usize, bytes: usize, to: usize) {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    let (from, to) = (from as *mut c_void, to as *mut c_void);
    // SAFETY: nobody can tell the pages that take the place of these, all at once.
    if unsafe { libc::mremap(from, bytes, bytes, flags, to) } == libc::MAP_FAILED {
        end_halfway(&io::Error::last_os_error());
    }
}

/// Maps what is in a file from here on in the place of memory that holds the same, to be read and written.
///
/// Ends the process if that fails half-way: what was there may be gone.
///
/// # Errors
///
/// The kernel's, where it may not be: the memory is sealed, or the host's policy refuses it. Nothing has changed then.
///
/// # Safety
///
/// So many bytes at `to` are a mapping of the caller's alone that may be read and written, and have the content of the file's.
unsafe fn map_over(file: BorrowedFd<'_>, offset: usize, bytes: usize, to: usize) -> io::Result<()> {
    let mode = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
    let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
    let file = file.as_raw_fd();
    // SAFETY: nobody can tell the pages that take the place of these, all at once.
    let at = unsafe { libc::mmap(to as *mut c_void, bytes, mode, flags, file, offset) };
    if at != libc::MAP_FAILED {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        // Decided before anything is unmapped.
        io::ErrorKind::PermissionDenied => Err(error),
        _ => end_halfway(&error),
    }
}

fn end_halfway(error: &io::Error) -> ! {
    let _said = writeln!(io::stderr(), "cannot move memory: {error}");
    super::exit_now(1)
}

/// Lets all threads of this process share one heap; called before there is a second thread.
///
/// The C library by itself keeps a heap for each, and what one has freed no other can use: a server
/// that takes and returns files of 8 MiB held 327 MiB and kept them, and 70 MiB with one heap.
pub fn share_one_heap() {
    // SAFETY: it sets a number of the allocator's, which is this process's; no other thread runs.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Asks the kernel for what it may refuse: whether it agreed.
fn advise(at: usize, bytes: usize, advice: libc::c_int) -> bool {
    // SAFETY: no advice that is given here changes what the memory holds.
    unsafe { libc::madvise(at as *mut c_void, bytes, advice) == 0 }
}

fn map(bytes: usize, protection: libc::c_int) -> io::Result<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let at = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        Err(io::Error::last_os_error())
    } else {
        Ok(at as usize)
    }
}

/// The next arena of the region, if it has room and arenas fill huge pages without a rest.
fn next_of_region(bytes: usize) -> Option<usize> {
    let next = NEXT.load(Ordering::Relaxed);
    let after = next.checked_add(bytes)?;
    if bytes == 0 || !HUGE.is_multiple_of(bytes) || after > END.load(Ordering::Relaxed) {
        return None;
    }
    if next.is_multiple_of(HUGE) {
        let mode = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a part of the region that nothing uses yet.
        if unsafe { libc::mprotect(next as *mut c_void, HUGE, mode) } != 0 {
            return None;
        }
    }
    NEXT.store(after, Ordering::Relaxed);
    Some(next)
}

/// CPython calls it with its lock held, so one thread at a time.
extern "C" fn allocate_arena(_: *mut c_void, bytes: usize) -> *mut c_void {
    let mode = libc::PROT_READ | libc::PROT_WRITE;
    let at = next_of_region(bytes).or_else(|| map(bytes, mode).ok());
    at.map_or(ptr::null_mut(), |at| at as *mut c_void)
}

extern "C" fn free_arena(_: *mut c_void, at: *mut c_void, bytes: usize) {
    let (from, to) = (START.load(Ordering::Relaxed), NEXT.load(Ordering::Relaxed));
    if (from..to).contains(&(at as usize)) {
        // SAFETY: CPython is done with this arena; the region hands none out twice.
        unsafe { libc::madvise(at, bytes, libc::MADV_DONTNEED) };
    } else {
        // SAFETY: an arena of ours, or of CPython's own from before, which maps them in the same way.
        unsafe { libc::munmap(at, bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_cpythons() {
        assert_eq!(size_of::<ArenaAllocator>(), 3 * size_of::<usize>());
    }

    #[test]
    fn pages_that_hold_nothing_are_given_back() {
        let room = map(2 * HUGE, libc::PROT_READ | libc::PROT_WRITE).unwrap();
        let at = room.next_multiple_of(HUGE);
        // In small pages, whatever the host makes of new memory.
        advise(at, HUGE, libc::MADV_NOHUGEPAGE);
        for (page, value) in [(3, 0), (5, 7)] {
            let first = (at + page * PAGE) as *mut u8;
            // SAFETY: it lies in the mapping above.
            unsafe { first.write_volatile(value) };
        }
        let mut expected = [Page::Missing; PAGES];
        expected[3] = Page::Empty;
        expected[5] = Page::Used;
        assert_eq!(pages_of(at), expected);
        give_back_empty(at, &expected);
        expected[3] = Page::Missing;
        assert_eq!(pages_of(at), expected);
    }

    #[test]
    fn arenas_lie_together_until_the_memory_is_settled() {
        const ARENA: usize = 1 << 20;
        gather_arenas().unwrap();
        // This process is no CPython: make room by hand.
        assert_eq!(START.load(Ordering::Relaxed), 0);
        let start = map(REGION + HUGE, libc::PROT_NONE).unwrap();
        let start = start.next_multiple_of(HUGE);
        START.store(start, Ordering::Relaxed);
        NEXT.store(start, Ordering::Relaxed);
        END.store(start + REGION, Ordering::Relaxed);
        let arena = || allocate_arena(ptr::null_mut(), ARENA);
        let first = arena();
        assert_eq!(first as usize, start);
        assert_eq!(arena() as usize, start + ARENA);
        close_region();
        let later = arena();
        assert!(
            !(start..start + REGION).contains(&(later as usize)) || later as usize > start + HUGE
        );
        for at in [first, later] {
            free_arena(ptr::null_mut(), at, ARENA);
        }
    }
}
