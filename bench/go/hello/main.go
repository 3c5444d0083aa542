// What examples/hello-krust is in Rust.
package main

import "fmt"

func main() {
	fmt.Println("Hello from ko!")
}
