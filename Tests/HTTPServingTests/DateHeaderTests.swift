import Synchronization
import Testing

@testable import HTTPServing

@Suite struct DateHeaderTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
    ])
    func `the text has the format of RFC 9110`(second: Int, text: String) {
        #expect(DateHeader { second }.text == text)
    }

    @Test func `the text follows the clock in both directions`() {
        let second = Mutex(784_111_777)
        let date = DateHeader { second.withLock { $0 } }
        let first = date.text
        second.withLock { $0 += 1 }
        #expect(date.text == "Sun, 06 Nov 1994 08:49:38 GMT")
        second.withLock { $0 -= 1 }
        #expect(date.text == first)
    }
}
