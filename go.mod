module hids

go 1.26
