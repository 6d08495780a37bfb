//! What runs inside the walls, embedded in the program.

use jail::keeper::Guest;

/// The shared library that interpreters load, and the Python that loads it.
pub(crate) const GUEST: Guest<'_> = Guest {
    library: include_bytes!(concat!(env!("OUT_DIR"), "/libconfine.so")),
    sources: &[
        ("main.py", include_str!("../../../guest/main.py")),
        ("zygote.py", include_str!("../../../guest/zygote.py")),
        ("libraries.py", include_str!("../../../guest/libraries.py")),
        ("blocks.py", include_str!("../../../guest/blocks.py")),
        ("unit.py", include_str!("../../../guest/unit.py")),
        ("guard.py", include_str!("../../../guest/guard.py")),
    ],
};
