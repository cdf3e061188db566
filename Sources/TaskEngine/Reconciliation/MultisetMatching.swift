/// Finds a maximum matching of attempts and records with augmenting paths (Berge 1957). Earlier attempts come first.
///
/// A greedy choice would fail: of two equal requests, the one with the longer window could take the only record in
/// the other's window.
enum MultisetMatching {
    /// The matched candidate of each attempt; nil if it has none.
    static func match(_ candidates: [[Int]]) -> [Int?] {
        var matched: [Int?] = candidates.map { _ in nil }
        var owners: [Int: Int] = [:]
        // No augmenting path leads from these records to a free one, so they stay taken.
        var exhausted: Set<Int> = []
        for start in candidates.indices {
            var wanted: [Int: Int] = [:]
            var asking = [start]
            var free: Int?
            var next = 0
            while free == nil, next < asking.count {
                let task = asking[next]
                next += 1
                for record in candidates[task] where wanted[record] == nil && !exhausted.contains(record) {
                    wanted[record] = task
                    guard let owner = owners[record] else {
                        free = record
                        break
                    }
                    asking.append(owner)
                }
            }
            if free == nil { exhausted.formUnion(wanted.keys) }
            while let record = free, let task = wanted[record] {
                free = matched[task]
                matched[task] = record
                owners[record] = task
            }
        }
        return matched
    }
}
