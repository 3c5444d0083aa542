module krust/bench/hello

go 1.21
