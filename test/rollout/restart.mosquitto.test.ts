import { describeWithMosquitto } from '../support/brokers';
import { restarts } from './restart-suite';

describeWithMosquitto('a job that goes on after a restart', restarts);
