//! Packets cut out of a stream: the Length field of each says where the next one begins (RFC 6613 §2.6.1).
//!
//! The room is made once and holds several packets, so that one read may bring many. What is refused here is a Length
//! that no packet can have: after it nobody knows where the next packet begins, so the stream is over.

use radius_proto::MAX_PACKET;
use radius_proto::limits::HEADER;

/// Octets taken from the stream at once, at most: four of the longest packets, some eighty of the usual ones.
const ROOM: usize = 4 * MAX_PACKET;

/// What came and was not handled yet.
pub(super) struct Frames {
    room: Box<[u8]>,
    begin: usize,
    end: usize,
}

/// A Length under 20 or over 4096.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BadLength;

impl Frames {
    pub(super) fn new() -> Frames {
        Frames { room: vec![0; ROOM].into(), begin: 0, end: 0 }
    }

    /// Where to read into: never empty, as long as every whole packet was taken by [`Frames::next`].
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.room.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        &mut self.room[self.end..]
    }

    /// So many octets were read into the space.
    pub(super) fn received(&mut self, octets: usize) {
        self.end = (self.end + octets).min(self.room.len());
    }

    /// The next whole packet, if it is here. Only its length has been looked at.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, BadLength> {
        let waiting = &self.room[self.begin..self.end];
        let Some(&[_, _, high, low]) = waiting.first_chunk::<4>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(HEADER..=MAX_PACKET).contains(&length) {
            return Err(BadLength);
        }
        let Some(packet) = waiting.get(..length) else { return Ok(None) };
        self.begin += length;
        Ok(Some(packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(identifier: u8, length: usize) -> Vec<u8> {
        let mut octets = vec![identifier; length];
        octets[2..4].copy_from_slice(&u16::try_from(length).expect("short").to_be_bytes());
        octets
    }

    /// Feeds a stream in pieces of this size, and returns what was cut out of it.
    fn cut(stream: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, BadLength> {
        let (mut frames, mut found, mut rest) = (Frames::new(), Vec::new(), stream);
        while !rest.is_empty() {
            let space = frames.space();
            let taken = piece.min(rest.len()).min(space.len());
            space[..taken].copy_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            frames.received(taken);
            while let Some(frame) = frames.next()? {
                found.push(frame.to_vec());
            }
        }
        Ok(found)
    }

    #[test]
    fn packets_come_out_whole_however_the_stream_is_cut() {
        let sent: Vec<Vec<u8>> =
            [20, 4096, 21, 300, 4096, 4096, 4096, 4096, 20].iter().zip(1..).map(|(n, i)| packet(i, *n)).collect();
        let stream = sent.concat();
        for piece in [1, 3, 19, 20, 4095, 4097, ROOM, stream.len()] {
            assert_eq!(cut(&stream, piece).as_ref(), Ok(&sent), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_length_that_no_packet_has_ends_the_stream() {
        for length in [0_u16, 19, 4097, u16::MAX] {
            let mut stream = packet(1, 40);
            stream.extend([1, 1]);
            stream.extend(length.to_be_bytes());
            assert_eq!(cut(&stream, 7), Err(BadLength), "{length}");
        }
    }

    #[test]
    fn what_is_not_whole_waits() {
        let mut frames = Frames::new();
        frames.space()[..4].copy_from_slice(&[1, 1, 0, 20]);
        frames.received(3);
        assert_eq!(frames.next(), Ok(None), "the Length is not whole");
        frames.received(1);
        assert_eq!(frames.next(), Ok(None), "the packet is not whole");
        assert_eq!(frames.space().len(), ROOM - 4);
    }
}
