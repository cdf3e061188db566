import Testing

@testable import pollux

@Suite struct CopyProgressTests {
    @Test func `the line shows the share and the amount, and fits the terminal`() {
        let line = CopyProgress.line("a.png", 1_000_000, of: 2_000_000, width: 80)
        #expect(line == "a.png  [##########          ] 50 %  1.0 MB of 2.0 MB")
        for width in [20, 40, 60, 80] {
            let long = CopyProgress.line(String(repeating: "n", count: 100), 5, of: 10, width: width)
            #expect(long.count <= width, "\(width): \(long)")
        }
        #expect(CopyProgress.line("a.png", 10, of: 10, width: 80).contains("100 %"))
    }

    @Test func `a file of unknown size has no bar`() {
        #expect(CopyProgress.line("a.png", 12, of: nil, width: 80) == "a.png  12 B")
    }
}
