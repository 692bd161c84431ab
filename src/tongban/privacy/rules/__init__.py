"""Pure rules of 个人信息权益: the container of a copy, its schemas, its pages for reading."""
