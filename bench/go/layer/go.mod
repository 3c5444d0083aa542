module krust/bench/layer

go 1.21
