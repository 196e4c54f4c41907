#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| claviger_fuzz::run("audit_export", data));
