"""Other platforms that collect for us (公益宝, 腾讯公益 …): what each is called, how its files are read."""
