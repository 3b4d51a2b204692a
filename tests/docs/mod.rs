//! Tests of the documents: links and anchors, the commands that pages show, the generated reference.

mod links;
mod markdown;
mod reference;
mod sandbox;
mod session;
mod tidy;
mod usage;
mod yaml;
