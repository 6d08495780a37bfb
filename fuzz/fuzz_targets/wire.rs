//! Frames between server, keeper, zygotes and inits: any bytes are a message or an error, and a
//! message survives the way.
#![no_main]

use std::fmt::Debug;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use wire::{FRAME_BYTES_MAX, FromInit, FromKeeper, FromZygote, ToKeeper, ToZygote, WireError};

/// Some bytes over the bound, since that is a case of its own.
const SENT_BYTES_MAX: usize = FRAME_BYTES_MAX + 16;

fuzz_target!(|data: &[u8]| {
    let data = data.get(..SENT_BYTES_MAX).unwrap_or(data);
    hear::<ToKeeper>(data);
    hear::<FromKeeper>(data);
    hear::<ToZygote>(data);
    hear::<FromZygote>(data);
    hear::<FromInit>(data);
});

fn hear<T>(data: &[u8])
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug,
{
    static PAIR: OnceLock<(UnixDatagram, OwnedFd)> = OnceLock::new();
    let (hostile, ours) = PAIR.get_or_init(|| {
        let (hostile, ours) = wire::pair().expect("there are descriptors");
        (UnixDatagram::from(hostile), ours)
    });
    hostile.send(data).expect("the socket is empty");
    match wire::receive_now::<T>(ours) {
        Ok(Some(frame)) => {
            assert!(data.len() <= FRAME_BYTES_MAX && frame.descriptors.is_empty());
            // What was read is never longer than what it was read from: nothing grows on the way.
            wire::send_now(hostile, &frame.message, &[]).expect("it fits again");
            let again = wire::receive_now::<T>(ours).expect("it is one of ours");
            assert_eq!(again.expect("it was sent").message, frame.message);
        }
        Ok(None) => assert!(data.is_empty()),
        Err(WireError::TooLong) => assert!(data.len() > FRAME_BYTES_MAX),
        Err(WireError::Malformed(_)) => {}
        Err(WireError::Socket(error)) => panic!("{error}"),
    }
    // Nothing is left over that the next one would take for its own.
    match wire::receive_now::<T>(ours) {
        Err(WireError::Socket(error)) if error.kind() == ErrorKind::WouldBlock => {}
        other => panic!("{other:?}"),
    }
}
