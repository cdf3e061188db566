import TaskModel
import Testing

@testable import UpstreamHTTP

@Suite struct SignedTokenTests {
    /// Made with Python's hmac and base64 from the same texts.
    private static let expected =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
        + ".eyJpc3MiOiJBSyIsImV4cCI6MTc5NTAwMTgwMCwibmJmIjoxNzk0OTk5OTk1fQ"
        + ".96FjZkhCdvtGV3cC79MuwYiJc_L4X9N8Rfwl-L89Ghk"

    @Test func `a token is signed as others sign it, and the secret may hold colons`() {
        let now = Timestamp(milliseconds: 1_795_000_000_900)
        #expect(SignedToken.make(from: "AK:SK:with:colons", lifetime: .seconds(1_800), now: now) == Self.expected)
    }

    @Test(arguments: ["", "AK", ":", "AK:"])
    func `what is no pair of keys signs nothing`(keys: String) {
        #expect(SignedToken.make(from: keys, lifetime: .seconds(1), now: Timestamp(milliseconds: 0)) == nil)
    }
}
