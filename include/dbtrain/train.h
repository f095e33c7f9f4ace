#ifndef DBTRAIN_TRAIN_H
#define DBTRAIN_TRAIN_H
#endif
