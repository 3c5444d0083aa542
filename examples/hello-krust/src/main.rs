//! The smallest image that krust can make: one static binary that says one thing.

fn main() {
    println!("Hello from krust!");
}
