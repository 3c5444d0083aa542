// What ko does for a layer, without the disk: tar, sha256 of it, gzip level 1, sha256 of that. Prints the size.
package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	file, err := os.Open(os.Args[1])
	must(err)
	info, err := file.Stat()
	must(err)
	blob := &counter{}
	compressed, err := gzip.NewWriterLevel(io.MultiWriter(blob, sha256.New()), gzip.BestSpeed)
	must(err)
	layer := tar.NewWriter(io.MultiWriter(compressed, sha256.New()))
	must(layer.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: info.Size()}))
	_, err = io.Copy(layer, file)
	must(err)
	must(layer.Close())
	must(compressed.Close())
	fmt.Println(blob.n)
}
