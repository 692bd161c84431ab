"""Looking at 个人信息权益: what is known of the rooms' holdings, how far a copy is."""
