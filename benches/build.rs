//! Tells the program where the target directory is: there it looks for, and keeps, what it fetches once.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    // <target>/<profile>/build/<package>/out
    if let Some(own) = Path::new(&out).ancestors().nth(4) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let above = here.with_file_name("target");
        // What the server's tests have fetched is taken from there.
        let target = if own.starts_with(here) { above.as_path() } else { own };
        // The name that cargo gives it in tests, whose search for a MongoDB server is used here as well.
        println!("cargo:rustc-env=CARGO_TARGET_TMPDIR={}", target.join("tmp").display());
        println!("cargo:rustc-env=ROLEKEEPER_BENCH_TARGET={}", target.display());
    }
}
