//! Makes the JavaScript side of a WebAssembly module, as `wasm-bindgen --target web` does.
//! usage: xtask bindgen IN.wasm OUT_DIR [NAME]

use anyhow::{Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bindgen", module, folder] => bindgen(module, folder, "sotto_engine"),
        ["bindgen", module, folder, name] => bindgen(module, folder, name),
        _ => bail!("usage: xtask bindgen IN.wasm OUT_DIR [NAME]"),
    }
}

fn bindgen(module: &str, folder: &str, name: &str) -> Result<()> {
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .out_name(name)
        .generate(folder)
}
