fn main() -> std::io::Result<()> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}");
    prost_build::Config::new()
        // Ciphertexts are slices of the received frame, not copies.
        .bytes(["."])
        .compile_protos(
            &[
                "../../proto/sotto/v1/frames.proto",
                "../../proto/sotto/v1/content.proto",
                "../../proto/sotto/v1/group.proto",
                "../../proto/sotto/v1/provisioning.proto",
            ],
            &[root],
        )
}
