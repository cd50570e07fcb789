//! Tests from outside, in one program: the library's rooms and the real server, with real files and processes.
#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]

mod agent;
mod layers;
mod tools;
