#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| signl4::fuzzing::event(bytes));
