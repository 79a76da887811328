//! Embeds the built web app, the folder web/dist, if it is there. Without it the server says at `/` how to build it.
//! Always true: the files are copied first, so that a web build at the same time cannot break this one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

#[path = "src/web/folder.rs"]
mod folder;

fn main() -> io::Result<()> {
    let variable = |name| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(name));
    let dist = variable("CARGO_MANIFEST_DIR")?.join("../../web/dist");
    // While a watched path is missing cargo would run this and compile the server anew at every build. An empty folder that is
    // watched costs nothing. (A checkout that cannot be written to pays that price.)
    let _ = fs::create_dir(&dist);
    println!("cargo:rerun-if-changed={}", dist.display());
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/web/folder.rs");
    let files = if dist.join("index.html").exists() {
        folder::read(&dist).unwrap_or_else(|problem| {
            println!("cargo:warning=the web app is not embedded: {problem}");
            Vec::new()
        })
    } else {
        Vec::new()
    };
    write(&variable("OUT_DIR")?, &files)
}

/// `web.rs` names every file; `web/N` and `web/N.br` are their bytes.
fn write(out: &Path, files: &[folder::WebFile]) -> io::Result<()> {
    let copies = out.join("web");
    match fs::remove_dir_all(&copies) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir(&copies)?,
    }
    let mut code = String::from("&[\n");
    for (number, file) in files.iter().enumerate() {
        fs::write(copies.join(number.to_string()), &file.plain)?;
        let bytes = |name: &str| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/web/{name}\"))");
        let brotli = match &file.brotli {
            Some(brotli) => {
                let name = format!("{number}.br");
                fs::write(copies.join(&name), brotli)?;
                format!("Some({})", bytes(&name))
            }
            None => "None".to_owned(),
        };
        let _ = writeln!(code, "    ({:?}, {}, {brotli}),", file.path, bytes(&number.to_string()));
    }
    code.push_str("]\n");
    fs::write(out.join("web.rs"), code)
}
