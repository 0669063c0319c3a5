#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lenient_json::fuzzing::json(bytes));
