import Testing

@testable import Daemon

@Suite struct ConnectionSharesTests {
    @Test(arguments: [
        (2_560, 512, 2_048), (9_999, 512, 2_048), (2_559, 512, 2_047), (864, 512, 352), (600, 450, 150), (22, 16, 6),
        (4, 3, 1), (1, 1, 1),
    ])
    func `connections get open files first, and leave streams a quarter`(
        possible: Int, connections: Int, streams: Int
    ) {
        let shares = ConnectionShares(of: possible, connections: 512, streams: 2_048)
        #expect(shares.connections == connections)
        #expect(shares.streams == streams)
    }
}
