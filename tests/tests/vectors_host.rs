//! The vectors on the host.

use passthrough_tests::vectors::{cases, hold_on_host};

macro_rules! topics {
    ($($test:ident = $topic:ident;)*) => {
        $(
            #[test]
            fn $test() {
                hold_on_host(cases::$topic::VECTORS);
            }
        )*

        #[test]
        fn every_topic_is_played() {
            assert_eq!(cases::ALL.len(), [$(stringify!($topic)),*].len());
        }
    };
}

topics! {
    udp_and_tcp_are_mapped_and_filtered = udp_tcp;
}
