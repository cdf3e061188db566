import Testing
import Text

@Suite struct BinaryTextTests {
    @Test(
        arguments: [
            ([0xfb, 0xff], "-_8"), ([0x66], "Zg"), (Array("foo".utf8), "Zm9v"), (Array("foob".utf8), "Zm9vYg"),
        ] as [([UInt8], String)])
    func `base64url has no padding and is decoded unchanged`(bytes: [UInt8], text: String) {
        #expect(bytes.base64URL == text)
        #expect([UInt8](base64: text) == bytes)
    }

    @Test(arguments: ["+/8=", "+/8", "-_8=", "+/8=="])
    func `both alphabets are read, with padding or without`(text: String) {
        #expect([UInt8](base64: text) == [0xfb, 0xff])
    }

    @Test(arguments: ["", "=", "A", "AAAAA", "AA===", "A*A", "Zm 9v", "Zm9v\n", "é"])
    func `invalid base64 is rejected`(text: String) {
        #expect([UInt8](base64: text) == nil)
    }

    @Test func `hexadecimal digits come in pairs`() {
        #expect([UInt8](hex: "00fFa0") == [0, 255, 160])
        for text in ["", "0", "0g", "+1", "１２"] { #expect([UInt8](hex: text) == nil) }
    }
}
