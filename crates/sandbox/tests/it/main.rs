//! The sandbox against real Pythons and real walls.

mod environment;
