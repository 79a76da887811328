//! `#[test]` for WebAssembly: the same function, under the same name, for a page that runs it.
//! Flow: `#[cfg(target_arch = "wasm32")] use sotto_wasm_test::test;` at the top of a file of tests; nothing else changes.
//! Always true: each test becomes an export "test FILE::NAME" without arguments; one that fails traps.
//! Elsewhere: which files are run is in `sotto-wasm-tests`, what runs them in `web/tests/wasm`.

use proc_macro::{Span, TokenStream, TokenTree};
use std::path::PathBuf;

#[proc_macro_attribute]
pub fn test(_: TokenStream, function: TokenStream) -> TokenStream {
    let mut words = function.clone().into_iter().skip_while(|token| token.to_string() != "fn").skip(1);
    let Some(TokenTree::Ident(name)) = words.next() else {
        return "compile_error!(\"a test is a function\");".parse().expect("is Rust");
    };
    let file = PathBuf::from(Span::call_site().file());
    let export = format!("test {}::{name}", file.file_stem().unwrap_or_default().to_string_lossy());
    // The name has a space and colons, so it is no other symbol's; that is what "unsafe" asks about here.
    let export = format!(
        "const _: () = {{ #[allow(unsafe_code)] #[unsafe(export_name = {export:?})] extern \"C\" fn run() {{ {name}() }} }};"
    );
    let export: TokenStream = export.parse().expect("is Rust");
    function.into_iter().chain(export).collect()
}
